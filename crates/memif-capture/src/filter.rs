//! Which packets: a subset of pcap-filter(7).
