//! One connection: a request is read, answered, and that is all of it.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::place::Stream;
use super::request::{Asked, LONGEST, parse};
use super::text::CONTENT_TYPE;

/// How long a connection may last, whatever it does.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

const PLAIN: &str = "text/plain; charset=utf-8";

/// What it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    /// So many bytes of the answer went.
    Writing(usize),
    /// The answer went as a whole. A connection with unread bytes would be reset, and the answer with it: whatever else
    /// the client sends is read and dropped until that closes, too.
    Draining,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    state: State,
    request: Vec<u8>,
    answer: Vec<u8>,
    pub(super) deadline: Instant,
}

impl Connection {
    /// A new one, whose stream never waits.
    pub(super) fn new(stream: Stream) -> Self {
        let (request, answer) = (Vec::new(), Vec::new());
        Self { stream, state: State::Reading, request, answer, deadline: Instant::now() + PATIENCE }
    }

    /// What it waits for.
    pub(super) fn wants(&self) -> (&Stream, PollFlags) {
        let flags = match self.state {
            State::Reading | State::Draining => PollFlags::IN,
            State::Writing(_) => PollFlags::OUT,
        };
        (&self.stream, flags)
    }

    /// Goes as far as it can without waiting. Returns whether it goes on.
    pub(super) fn go_on(&mut self, metrics: &dyn Fn() -> String) -> bool {
        // One read and one write at a time, so that no client holds up the others.
        let went = match self.state {
            State::Reading => self.read(metrics),
            State::Writing(_) => Ok(true),
            State::Draining => self.drain(),
        };
        let went = match (went, self.state) {
            (Ok(true), State::Writing(sent)) => self.write(sent),
            (went, _) => went,
        };
        match went {
            Ok(goes_on) => goes_on,
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    fn read(&mut self, metrics: &dyn Fn() -> String) -> io::Result<bool> {
        let mut bytes = [0; LONGEST];
        let room = bytes.get_mut(self.request.len()..).unwrap_or_default();
        let came = self.stream.read(room)?;
        if came == 0 {
            // It closed before it had asked for anything.
            return Ok(false);
        }
        self.request.extend_from_slice(room.get(..came).unwrap_or_default());
        let asked = parse(&self.request);
        if asked != Asked::NotYet {
            self.request = Vec::new();
            self.answer = answer(asked, metrics);
            self.state = State::Writing(0);
        }
        Ok(true)
    }

    fn write(&mut self, sent: usize) -> io::Result<bool> {
        let went = self.stream.write(self.answer.get(sent..).unwrap_or_default())?;
        let sent = sent + went;
        if went == 0 {
            return Ok(false);
        }
        if sent < self.answer.len() {
            self.state = State::Writing(sent);
            return Ok(true);
        }
        self.answer = Vec::new();
        self.state = State::Draining;
        self.stream.end_of_answer()?;
        Ok(true)
    }

    fn drain(&mut self) -> io::Result<bool> {
        Ok(self.stream.read(&mut [0; LONGEST])? > 0)
    }
}

/// An answer, with its head.
fn answer(asked: Asked, metrics: &dyn Fn() -> String) -> Vec<u8> {
    let text = |text: &str| text.to_owned();
    let (status, kind, more, body) = match asked {
        Asked::Metrics => ("200 OK", CONTENT_TYPE, "", metrics()),
        Asked::Hint => ("200 OK", PLAIN, "", text("memif: the metrics are at /metrics\n")),
        Asked::Nothing => ("404 Not Found", PLAIN, "", text("there is nothing here: the metrics are at /metrics\n")),
        Asked::Method { .. } => {
            ("405 Method Not Allowed", PLAIN, "Allow: GET\r\n", text("metrics are read with GET\n"))
        }
        Asked::TooLong => {
            ("431 Request Header Fields Too Large", PLAIN, "", format!("a request has {LONGEST} bytes at most\n"))
        }
        Asked::Garbage | Asked::NotYet => ("400 Bad Request", PLAIN, "", text("this is no request of HTTP/1.1\n")),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{more}Connection: close\r\n\r\n",
        body.len()
    );
    let body = if asked == (Asked::Method { head: true }) { String::new() } else { body };
    (head + &body).into_bytes()
}
