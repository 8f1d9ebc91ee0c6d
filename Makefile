# Builds what is installed and shipped. `make`, `make install DESTDIR= PREFIX=`, `make uninstall`, `make packages`,
# `make image`, `make collection`; `make release` makes all of it for every architecture.
PREFIX ?= /usr/local
DESTDIR ?=
TARGET ?= x86_64-unknown-linux-musl
TARGETS := x86_64-unknown-linux-musl aarch64-unknown-linux-musl
CARGO ?= cargo
TOOLS ?= target/tools/bin
# Of the last commit: the same sources give the same packages.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)
export SOURCE_DATE_EPOCH
# Where it was built is not in the binary, so that another directory gives the same bytes.
CARGO_HOME ?= $(HOME)/.cargo
export RUSTFLAGS = --remap-path-prefix=$(CURDIR)=/kubelet-tls --remap-path-prefix=$(CARGO_HOME)=/cargo

ARCH = $(firstword $(subst -, ,$(TARGET)))
# The C compiler for ring: a static musl binary needs no libc of the target, so Debian's glibc compiler will do.
ifeq ($(ARCH),$(shell uname -m))
CROSS_CC := gcc
else
CROSS_CC := $(ARCH)-linux-gnu-gcc
# Runs the binary of another architecture, for its manual pages and completions.
RUNNER ?= qemu-$(ARCH)-static
endif
TARGET_ENV = $(subst -,_,$(TARGET))
TARGET_ENV_UPPER = $(shell echo $(TARGET_ENV) | tr a-z A-Z)
OCI_ARCH_x86_64 := amd64
OCI_ARCH_aarch64 := arm64
BINARY = target/$(TARGET)/release/kubelet-tls
DIST := target/dist
STAGE := $(DIST)/stage
UNITS := $(notdir $(wildcard systemd/*.service systemd/*.path systemd/*.timer))
SHARE = $(DESTDIR)$(PREFIX)/share
VERSION := $(shell sed -n '/^version = /{s/.*"\(.*\)"/\1/p;q}' Cargo.toml)
NAME := kubelet-tls-$(VERSION)
DOC = $(SHARE)/doc/kubelet-tls
DROP_IN = $(SHARE)/kubelet-tls/kubelet.service.d

BUILT_TARGETS = $(foreach target,$(TARGETS),$(if $(wildcard target/$(target)/release/kubelet-tls),$(target)))
BUILT = $(foreach target,$(BUILT_TARGETS),$(OCI_ARCH_$(firstword $(subst -, ,$(target))))=target/$(target)/release/kubelet-tls)
CHECKSUMS = cd $(DIST)/packages && sha256sum -- $$(ls | grep -vx SHA256SUMS) >SHA256SUMS

.PHONY: all build stage install uninstall tools packages image collection release
all: stage

build:
	@test -d "$$(rustc --print target-libdir --target $(TARGET))" || \
	    { echo 'Rust cannot build for $(TARGET) yet: rustup target add $(TARGET)' >&2; exit 1; }
	@command -v $(CROSS_CC) >/dev/null || \
	    { echo 'no C compiler for $(TARGET): apt-get install $(CROSS_CC:%-gcc=gcc-%)' >&2; exit 1; }
	CC_$(TARGET_ENV)=$${CC_$(TARGET_ENV):-$(CROSS_CC)} CARGO_TARGET_$(TARGET_ENV_UPPER)_LINKER=rust-lld \
	    $(CARGO) build --release --locked --target $(TARGET) --bin kubelet-tls

stage: build
	rm -rf $(STAGE)
	mkdir -p $(STAGE)/man $(STAGE)/completions
	install -m 0755 $(BINARY) $(STAGE)/kubelet-tls
	set -e; pages=$$($(RUNNER) $(BINARY) man -o name); for page in $$pages; do \
	    $(RUNNER) $(BINARY) man $$page >$(STAGE)/man/$$page.1; gzip -n9 $(STAGE)/man/$$page.1; done
	$(RUNNER) $(BINARY) completions bash >$(STAGE)/completions/kubelet-tls
	$(RUNNER) $(BINARY) completions zsh >$(STAGE)/completions/_kubelet-tls
	$(RUNNER) $(BINARY) completions fish >$(STAGE)/completions/kubelet-tls.fish

# Of what `make` has built, so that root needs no compiler.
install:
	test -x $(STAGE)/kubelet-tls || $(MAKE) stage
	install -D -m 0755 $(STAGE)/kubelet-tls $(DESTDIR)$(PREFIX)/bin/kubelet-tls
	install -d $(SHARE)/man/man1
	install -m 0644 $(STAGE)/man/*.1.gz $(SHARE)/man/man1/
	install -D -m 0644 $(STAGE)/completions/kubelet-tls $(SHARE)/bash-completion/completions/kubelet-tls
	install -D -m 0644 $(STAGE)/completions/_kubelet-tls $(SHARE)/zsh/site-functions/_kubelet-tls
	install -D -m 0644 $(STAGE)/completions/kubelet-tls.fish $(SHARE)/fish/vendor_completions.d/kubelet-tls.fish
	set -e; for unit in $(UNITS); do sed 's|/usr/bin/kubelet-tls|$(PREFIX)/bin/kubelet-tls|' systemd/$$unit | \
	    install -D -m 0644 /dev/stdin $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit; done
	sed 's|/usr/bin/kubelet-tls|$(PREFIX)/bin/kubelet-tls|' systemd/kubelet.service.d/20-kubelet-tls.conf | \
	    install -D -m 0644 /dev/stdin $(DROP_IN)/20-kubelet-tls.conf
	install -d $(DOC)/docs/adr $(DOC)/docs/schema
	install -m 0644 README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE $(DOC)/
	install -m 0644 docs/*.md docs/*.svg $(DOC)/docs/
	install -m 0644 docs/adr/*.md $(DOC)/docs/adr/
	install -m 0644 docs/schema/*.json $(DOC)/docs/schema/

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/kubelet-tls $(SHARE)/man/man1/kubelet-tls.1.gz $(SHARE)/man/man1/kubelet-tls-*.1.gz
	rm -f $(SHARE)/bash-completion/completions/kubelet-tls $(SHARE)/zsh/site-functions/_kubelet-tls
	rm -f $(SHARE)/fish/vendor_completions.d/kubelet-tls.fish
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/lib/systemd/system/,$(UNITS))
	rm -rf $(DOC) $(SHARE)/kubelet-tls

# What makes packages, at versions whose output is known.
tools:
	set -e; for tool in cargo-deb=3.8.0 cargo-generate-rpm=0.21.1; do \
	    $(TOOLS)/$${tool%=*} --version 2>/dev/null | grep -q " $${tool#*=}$$" || \
	    RUSTFLAGS= $(CARGO) install --quiet --locked --no-default-features --root $(TOOLS)/.. \
	        --target-dir target/tools-build $${tool%=*} --version $${tool#*=}; done
	rm -rf target/tools-build

# Adds to what other targets have left there; `make release` begins with an empty directory.
packages: stage tools
	mkdir -p $(DIST)/packages
	$(TOOLS)/cargo-deb deb --no-build --no-strip --target $(TARGET) --output $(DIST)/packages/
	$(TOOLS)/cargo-generate-rpm generate-rpm --target $(TARGET) --source-date $(SOURCE_DATE_EPOCH) \
	    --output $(DIST)/packages/
	$(MAKE) --no-print-directory install PREFIX=/usr DESTDIR=$(CURDIR)/$(DIST)/$(NAME)
	tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@$(SOURCE_DATE_EPOCH) --mode=go-w,a+r \
	    -C $(DIST) -c $(NAME) | gzip -n9 >$(DIST)/packages/$(NAME)-$(TARGET).tar.gz
	rm -rf $(DIST)/$(NAME)
	packaging/sbom $(TARGET) >$(DIST)/packages/$(NAME)-$(TARGET).cdx.json
	$(CHECKSUMS)

# An OCI image archive of the binaries that are built; `skopeo copy oci-archive:FILE docker://…` pushes it.
image:
	@test -n "$(strip $(BUILT))" || { echo 'nothing is built yet: make' >&2; exit 1; }
	mkdir -p $(DIST)/packages
	packaging/image $(VERSION) $(DIST)/packages/$(NAME)-image.tar $(BUILT)
	$(CHECKSUMS)

# The Ansible collection with the binaries that are built; needs ansible-galaxy.
collection:
	@test -n "$(strip $(BUILT))" || { echo 'nothing is built yet: make' >&2; exit 1; }
	rm -rf $(DIST)/collection
	mkdir -p $(DIST)/packages
	cp -r ansible $(DIST)/collection
	set -e; for built in $(BUILT_TARGETS); do install -D -m 0755 target/$$built/release/kubelet-tls \
	    $(DIST)/collection/bin/$${built%%-*}; done
	ansible-galaxy collection build --force --output-path $(DIST)/packages $(DIST)/collection
	$(CHECKSUMS)

# Everything that a release attaches, for every architecture.
release:
	rm -rf $(DIST)/packages
	set -e; for target in $(TARGETS); do $(MAKE) --no-print-directory packages TARGET=$$target; done
	$(MAKE) --no-print-directory image collection
