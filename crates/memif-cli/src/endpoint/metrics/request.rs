//! What a client asks for: the little of HTTP/1 that reading metrics takes.

/// Bytes of the longest request: its line and its headers, which nobody reads.
pub(super) const LONGEST: usize = 4096;

/// What is asked for, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The request is not whole yet.
    NotYet,
    Metrics,
    /// Where the metrics are.
    Hint,
    /// Something that is not there.
    Nothing,
    /// Another method than GET. After HEAD an answer has no body.
    Method {
        head: bool,
    },
    /// No request of HTTP/1.
    Garbage,
    /// It is too long.
    TooLong,
}

/// Looks at what has come so far.
pub(super) fn parse(bytes: &[u8]) -> Asked {
    let Some(end) = end_of_headers(bytes) else {
        return if bytes.len() >= LONGEST { Asked::TooLong } else { Asked::NotYet };
    };
    if end > LONGEST {
        return Asked::TooLong;
    }
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Asked::Garbage;
    };
    let is_token = !method.is_empty() && method.iter().all(u8::is_ascii_alphabetic);
    if !is_token || !(version == b"HTTP/1.1" || version == b"HTTP/1.0") {
        return Asked::Garbage;
    }
    if method != b"GET" {
        return Asked::Method { head: method == b"HEAD" };
    }
    match path(target) {
        b"/metrics" => Asked::Metrics,
        b"/" => Asked::Hint,
        _ => Asked::Nothing,
    }
}

/// Where the headers end, with the empty line behind them.
fn end_of_headers(bytes: &[u8]) -> Option<usize> {
    let mut line_is_empty = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'\n' if line_is_empty => return Some(at + 1),
            b'\n' => line_is_empty = true,
            b'\r' => {}
            _ => line_is_empty = false,
        }
    }
    None
}

/// The path of what is asked for: without the query, and without the host where a proxy names it.
fn path(target: &[u8]) -> &[u8] {
    let target = match target.strip_prefix(b"http://") {
        Some(rest) => rest.iter().position(|byte| *byte == b'/').and_then(|at| rest.get(at..)).unwrap_or(b"/"),
        None => target,
    };
    target.split(|byte| *byte == b'?').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_understood() {
        for (request, asked) in [
            ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", Asked::Metrics),
            ("GET /metrics HTTP/1.0\n\n", Asked::Metrics),
            ("GET /metrics?name[]=x HTTP/1.1\r\n\r\n", Asked::Metrics),
            ("GET http://h:9100/metrics HTTP/1.1\r\n\r\n", Asked::Metrics),
            ("GET http://h:9100 HTTP/1.1\r\n\r\n", Asked::Hint),
            ("GET / HTTP/1.1\r\n\r\n", Asked::Hint),
            ("GET /metricsx HTTP/1.1\r\n\r\n", Asked::Nothing),
            ("GET /metrics/ HTTP/1.1\r\n\r\n", Asked::Nothing),
            ("HEAD /metrics HTTP/1.1\r\n\r\n", Asked::Method { head: true }),
            ("POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", Asked::Method { head: false }),
            ("GET /metrics HTTP/2.0\r\n\r\n", Asked::Garbage),
            ("GET /metrics\r\n\r\n", Asked::Garbage),
            ("GET  /metrics HTTP/1.1\r\n\r\n", Asked::Garbage),
            ("GET /a b HTTP/1.1\r\n\r\n", Asked::Garbage),
            ("G\u{0}T / HTTP/1.1\r\n\r\n", Asked::Garbage),
            ("\r\n\r\n", Asked::Garbage),
            ("", Asked::NotYet),
            ("GET /metrics HTTP/1.1\r\nHost: x\r\n", Asked::NotYet),
        ] {
            assert_eq!(parse(request.as_bytes()), asked, "{request:?}");
        }
    }

    #[test]
    fn a_request_has_a_longest_length() {
        let long = |length: usize| {
            let head = "GET /metrics HTTP/1.1\r\nX: ";
            format!("{head}{}\r\n\r\n", "x".repeat(length - head.len() - 4)).into_bytes()
        };
        assert_eq!(parse(&long(LONGEST)), Asked::Metrics);
        assert_eq!(parse(&long(LONGEST + 1)), Asked::TooLong);
        assert_eq!(parse(&vec![b'x'; LONGEST]), Asked::TooLong);
        assert_eq!(parse(&vec![b'x'; LONGEST - 1]), Asked::NotYet);
    }

    #[test]
    fn any_bytes_have_an_answer() {
        for first in 0..=u8::MAX {
            for rest in ["", "\n\n", " \n\n", "  \n\n", " http://\n\n", " http:// HTTP/1.1\n\n"] {
                parse(&[&[first], rest.as_bytes()].concat());
            }
        }
    }
}
