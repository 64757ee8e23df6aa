//! pcap and pcapng files, read packet by packet.
