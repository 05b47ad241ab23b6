# make quick   a net of handwritten digits, built and measured on this machine: half a minute on two quiet cores
# make demo    build and measure a real model on an emulated Raspberry Pi 4: about ten minutes on two quiet cores
# make test    lint, then run every test
# make coverage run the tests that are not slow, and require 90 % of the product's lines
# make lint    ruff and mypy
# make format  ruff format
# make wheel   the distribution in dist/, with the runner for aarch64 in it, and beside it what it is used with (SBOM)
# make lock    resolve requirements.lock anew: every package that `make install` takes, with the hashes it must have
# make audit   ask which of these packages have known vulnerabilities
# make install the virtual environment and every package the others need (they all do this first)
#
# TORCH_INDEX=URL takes torch from that package index: the CPU-only one of its makers saves gigabytes of CUDA.
# TESTS='-m slow' chooses tests, as pytest does; without it `make test` runs all.
# TEST_JOBS=4 runs so many test files at once; 2 is what a machine of two cores bears.
# PYTHON=python3.12 chooses an interpreter; otherwise the first of 3.11, 3.12, 3.13 that is there is taken.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# Programs of the system administrator lie where an ordinary user's PATH may not reach.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

PYTHON ?=
TORCH_INDEX ?=
TEST_JOBS ?= 2
TESTS ?=
VENV := .venv
BIN := $(VENV)/bin
# torch and what its CUDA builds bring lie outside of the lock: which build it is depends on the index it comes from.
UNLOCKED := torch triton cuda-bindings cuda-pathfinder cuda-toolkit $(addprefix nvidia-,cublas cuda-cupti cuda-nvrtc \
	cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx)
EXTRAS := build demo explain onnx parquet postgresql report sound dev
TORCH := $(shell sed -n 's/^ *"\(torch==[^"]*\)",/\1/p' pyproject.toml)
TARGET := emulated://raspberry-pi-4
QUICK_PROFILE := $(if $(filter aarch64 arm64,$(shell uname -m)),raspberry-pi-5,x86-64)

# One "what must be there=Debian package" a word; a path is looked for as a file, anything else as a program.
# newuidmap is what lets an ordinary user make the emulated board's disk.
DEMO_NEEDS := qemu-system-aarch64=qemu-system-arm mmdebstrap=mmdebstrap mke2fs=e2fsprogs cpio=cpio \
	/usr/share/keyrings/debian-archive-keyring.gpg=debian-archive-keyring newuidmap=uidmap \
	g++=g++ aarch64-linux-gnu-g++=g++-aarch64-linux-gnu cmake=cmake \
	/usr/include/nlohmann/json.hpp=nlohmann-json3-dev ssh-keygen=openssh-client
TEST_NEEDS := sshd=openssh-server tcsh=tcsh fish=fish zsh=zsh busybox=busybox qemu-aarch64-static=qemu-user-static chromium=chromium \
	/usr/lib/postgresql=postgresql adb=adb dpkg-source=dpkg-dev /usr/include/sys/capability.h=libcap-dev \
	/usr/include/android/openssl/rsa.h=android-libboringssl-dev \
	/usr/include/android/android-base/file.h=android-libbase-dev \
	/usr/include/android/cutils/sockets.h=android-libcutils-dev /usr/include/android/log/log.h=android-liblog-dev
FIND_PYTHON = for each in $(PYTHON) $(if $(PYTHON),,python3.11 python3.12 python3.13 python3); do \
	if $$each -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; \
	then echo $$each; break; fi; done

.PHONY: build/tree help install lock audit quick demo wheel test coverage lint format clean system system-test

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

system: NEEDS := $(DEMO_NEEDS)
system-test: NEEDS := $(DEMO_NEEDS) $(TEST_NEEDS)
system system-test:
	@missing=""
	for need in $(NEEDS); do
		what=$${need%%=*}
		if [[ $$what == /* ]]; then [[ -e $$what ]] || missing+=" $${need#*=}"
		else command -v "$$what" >/dev/null || missing+=" $${need#*=}"; fi
	done
	python=$$($(FIND_PYTHON))
	if [[ ! -x $(BIN)/python && -z $$python ]]; then missing+=" python3 python3-venv"; fi
	[[ -n $$missing ]] || exit 0
	if ! command -v apt-get >/dev/null; then
		echo "error: these are missing and there is no apt-get to install them:$$missing" >&2
		echo "(Debian's names; install your system's packages of the same programs, then run make again)" >&2
		exit 2
	fi
	as_root=""
	if [[ $$(id -u) != 0 ]]; then
		if ! command -v sudo >/dev/null; then
			echo "error: not root and no sudo; as root run: apt-get install$$missing" >&2
			exit 2
		fi
		as_root=sudo
	fi
	echo "installing system packages:$$missing"
	$$as_root apt-get update -q
	$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing

$(BIN)/python: | system
	@python=$$($(FIND_PYTHON))
	if [[ -z $$python ]]; then
		echo "error: no Python 3.11 to 3.13 with venv was found; install one, or name it: make PYTHON=/path/to/python" >&2
		exit 2
	fi
	$$python -m venv $(VENV)

# torch first and alone: a plain version takes the wheel that PIP_FIND_LINKS or TORCH_INDEX offers.
$(VENV)/torch.stamp: pyproject.toml | $(BIN)/python
	@$(BIN)/pip install $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$(TORCH)"
	touch $@

# The lock is complete, so nothing is resolved, and nothing is taken whose hash is not in it.
$(VENV)/install.stamp: requirements.lock $(VENV)/torch.stamp
	$(BIN)/pip install --require-hashes --no-deps -r requirements.lock
	$(BIN)/pip install --no-deps --no-build-isolation -e .
	@touch $@

# Of what is locked already the versions stay, as far as pyproject.toml still allows them.
lock: | $(BIN)/python
	$(BIN)/pip install --quiet 'uv==0.13.9'
	$(BIN)/uv pip compile --quiet pyproject.toml $(addprefix --extra ,$(EXTRAS)) --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header $(addprefix --no-emit-package ,$(UNLOCKED)) -o requirements.lock

audit: install
	$(BIN)/python -m tests.audit

install: system $(VENV)/install.stamp

# A bundle whose budget is missed (exit 1) is measured all the same; what `make` ends with is then the build's status.
define build_and_bench
	missed=0
	$(BIN)/edgewright build $(1) --profile $(2) -o build/$(1) || missed=$$?
	[[ $$missed -le 1 ]] || exit $$missed
	$(BIN)/edgewright bench build/$(1) --target $(3) $(4) || status=$$?
	[[ $${status:-0} -eq 0 ]] || exit $$status
	exit $$missed
endef

quick: install
	$(info quick: half a minute on two quiet cores, more where others work)
	$(call build_and_bench,quick,$(QUICK_PROFILE),local:,--quick)

demo: install
	$(info demo: about ten minutes on two quiet cores, more where others work; the student is the same)
	$(info The build says first what it will take here. What is done is kept: a second run takes seconds.)
	$(call build_and_bench,demo,raspberry-pi-4,$(TARGET))

wheel: install
	$(BIN)/edgewright runner build --machine aarch64 --prebuild device_scripts/prebuilt
	$(BIN)/python -m build --wheel --outdir dist
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible \
		--output-file dist/edgewright.cdx.json

test: system-test lint
	@# a server started by root for a test wants this directory, which is otherwise made at boot
	if [[ $$(id -u) == 0 ]]; then mkdir -p /run/sshd; fi
	$(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile $(TESTS)

# To count lines slows down tests of plain Python by half and more, so it is left out where models are trained.
coverage: system-test
	@if [[ $$(id -u) == 0 ]]; then mkdir -p /run/sshd; fi
	$(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile -m 'not slow and not emulated' --cov --cov-report=term

# The folders as the one package that is installed, for those who read types: mypy, and editors (build/tree).
build/tree: install
	@mkdir -p $@/edgewright
	find $@ -type l -delete
	ln -s $(addprefix $(CURDIR)/,$(wildcard toolchain/*) targets profiles device_scripts) $@/edgewright

lint: build/tree
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix --exit-zero --quiet
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
