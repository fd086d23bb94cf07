# The image of every service: one static binary and nothing else.
#
# The binary comes from one of two targets: `prebuilt` takes the one built on the host and needs no other image at all, `runtime` has it
# compiled here. The classic builder runs all stages up to the target, so `prebuilt` stands before what must be pulled.

# A volume takes its owner from the directory it is mounted on.
FROM scratch AS mounts
WORKDIR /data
WORKDIR /testnet/node1/chain
WORKDIR /testnet/node1/producer
WORKDIR /testnet/node1/config
WORKDIR /testnet/node2/chain
WORKDIR /testnet/node2/producer
WORKDIR /testnet/node2/config
WORKDIR /testnet/node3/chain
WORKDIR /testnet/node3/producer
WORKDIR /testnet/node3/config
WORKDIR /testnet/node4/chain
WORKDIR /testnet/node4/producer
WORKDIR /testnet/node4/config

FROM scratch AS base
LABEL org.opencontainers.image.title="Vision" \
      org.opencontainers.image.description="A tamper-evident, ordered record that several organisations run together" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=mounts --chown=65532:65532 / /
USER 65532:65532
STOPSIGNAL SIGTERM
ENTRYPOINT ["/vision"]
CMD ["--help"]

FROM base AS prebuilt
ARG BINARY=target/x86_64-unknown-linux-gnu/release/vision
COPY ${BINARY} /vision

# The manifests with empty sources: changes only when the dependencies do.
FROM rust:1.95.0-bookworm AS manifests
WORKDIR /src
COPY . .
RUN find . -name '*.rs' ! -name lib.rs ! -name main.rs ! -name build.rs ! -path '*/benches/*' ! -path './tests/import_law.rs' ! -path './tests/style.rs' -delete \
    && find . -name '*.rs' -exec sh -c 'echo "fn main() { }" > "$1"' _ {} ';' \
    && rm -rf proto

FROM rust:1.95.0-bookworm AS build
ENV RUSTFLAGS="-C target-feature=+crt-static"
WORKDIR /src
COPY --from=manifests /src .
RUN cargo build --release --locked --target "$(uname -m)-unknown-linux-gnu"
COPY . .
RUN find crates services deploy -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --target "$(uname -m)-unknown-linux-gnu" \
    && cp "target/$(uname -m)-unknown-linux-gnu/release/vision" /vision

FROM base AS runtime
COPY --from=build /vision /vision
