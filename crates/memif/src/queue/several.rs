//! The queues of a wait, however they are held.

use std::borrow::{Borrow, BorrowMut};

use super::rx::RxQueue;

pub(super) fn each<Q: BorrowMut<RxQueue>>(queues: &[Q]) -> impl Iterator<Item = &RxQueue> {
    queues.iter().map(Borrow::borrow)
}

pub(super) fn each_mut<Q: BorrowMut<RxQueue>>(queues: &mut [Q]) -> impl Iterator<Item = &mut RxQueue> {
    queues.iter_mut().map(BorrowMut::borrow_mut)
}
