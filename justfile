# Names for what CI runs; each is one command that also works without `just`.

# format, lint, licences, generated files
check:
    cargo xtask check

# the fast tests
test:
    cargo nextest run --workspace

# the tests with real environments, sandboxes and the package index
slow-tests:
    cargo nextest run --workspace --profile slow

# everything, as CI does
all:
    cargo xtask test

# write the generated reference pages
generate:
    cargo xtask generate

bench *ARGS:
    cargo xtask bench {{ARGS}}
