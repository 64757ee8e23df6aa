# The command memif in an image that holds nothing else: a static program, no shell, no libraries.
#
#   docker build -t icmp-responder .
#   docker run -it --rm --name icmp-responder --hostname icmp-responder -v "/run/vpp/:/run/vpp/" icmp-responder
#
# Arguments (--build-arg), so that it builds without an image registry, too (ci/container.sh does):
#   BUILDER      image with cc and the static C library; and with Rust, unless TOOLCHAIN is given
#   TOOLCHAIN    directory of cargo and rustc in the builder, where a volume or the image has them
#   CARGO_FLAGS  more options of `cargo build`, such as --offline where a volume holds the packages
#   BASE         what the program is put on; any Linux image works, one with a shell helps to look around
ARG BUILDER=docker.io/library/rust:1-slim-bookworm
ARG BASE=scratch

FROM ${BUILDER} AS builder
ARG TOOLCHAIN=/usr/local/cargo/bin
ARG CARGO_FLAGS=
ENV PATH=${TOOLCHAIN}:${PATH}
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY examples examples
# With --target the flags do not reach procedural macros, which cannot be static.
RUN host=$(rustc -vV | sed -n 's/^host: //p') \
 && RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --profile dist --locked ${CARGO_FLAGS} -p memif-cli --target "$host" \
 && install -D "target/$host/dist/memif" /image/usr/bin/memif \
 && install -d /image/run/vpp

FROM ${BASE}
COPY --from=builder /image/ /
# It runs as user 0 because /run/vpp and VPP's socket belong to root on the host, and needs no capability, no network
# and no writable file system: add --cap-drop ALL --security-opt no-new-privileges --network none --read-only.
# Where the socket is open to another user or group, add --user UID:GID.
ENTRYPOINT ["/usr/bin/memif"]
CMD ["responder"]
