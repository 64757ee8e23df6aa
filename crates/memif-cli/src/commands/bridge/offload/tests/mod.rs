//! Cutting and joining undo each other, and agree with packets that another library made.

mod examples;
mod property;
mod runs;
