//! A packet in one line, in the manner of tcpdump.
