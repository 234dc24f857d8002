# `make` alone lists what there is to make; each target sets up what it needs by itself.
#
# A variable on the command line becomes a parameter of the notebook that is run:
#     make train-resnet EPOCHS=2 DATA=datasets/data/nyu2_train.csv
# Other variables: PYTHON (which interpreter sets up), LOCK (a file of versions with their digests,
# from which alone it sets up), SEED (of `make sample` and `make roads`),
# TORCH (what pip installs for `make test-backends`; torch==2.13.0, say), NAME (of `make study`),
# CHANGES (of `make nyu`: fields of its recipe, "epochs=2 batch_size=32", say), PORT (of
# `make web-serve`), TRIES (of `make fuzz`).

TORCH ?= torch
SEED ?= 0
PORT ?= 8000
TRIES ?= 20000

PY := .venv/bin/python
NAME := unet_structure
NOTEBOOKS := train-resnet train-unet predict-resnet predict-unet predict-resnet-real-images \
    predict-unet-real-images predict-video make-dataset gpu-test

# What a user gives is text, which neither make nor the shell may read: $(DATA) would expand it, and
# so would its export. $(call text,DATA) is a word for the shell, $(call each,KINDS) several.
override GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
unexport $(GIVEN)
# Of what this file sets for itself, a value from outside would be a program that make or the shell runs.
override OWN := PY NOTEBOOKS GIVEN OWN NEWLINE quote text each literal PARAMETERS DEMO STUDIES CLEAN \
    NEEDS_NODE PYTEST BACKENDS version right CANDIDATES first tried FOUND OTHER_PYTHON ALONE LOCKED \
    PACKAGES LIGHT
ifneq ($(filter $(OWN),$(GIVEN)),)
$(error $(firstword $(filter $(OWN),$(GIVEN))) is set by the Makefile alone. Leave it out; PYTHON=path says which Python)
endif
define NEWLINE


endef
export NEWLINE
quote = '$(subst $(NEWLINE),'"$$NEWLINE"',$(subst ','\'',$(1)))'
text = $(call quote,$(value $(1)))
each = $(foreach word,$(value $(1)),$(call quote,$(word)))
literal = "$(subst $(NEWLINE),\n,$(subst ",\",$(subst \,\\,$(1))))"
PARAMETERS = $(foreach name,$(filter-out PYTHON TORCH NAME LOCK,$(GIVEN)),\
    $(call quote,$(name)=$(value $(name))))

# The demo: all notebooks on the sample, with what differs from their defaults. The schedule ends at
# a rate of zero, so the last epoch is the settled one; the best of 5 validation rooms is a lottery.
DEMO := \
    make_dataset.ipynb FIGURE=runs/demo/make_dataset.png \
    train_resnet.ipynb RUN=runs/demo/resnet VERBOSE=2 \
    train_unet.ipynb RUN=runs/demo/unet VERBOSE=2 \
    predict_resnet.ipynb MODEL=runs/demo/resnet/last.keras \
        FIGURE=runs/demo/predict_resnet.png TABLE=runs/demo/predict_resnet.csv \
    predict_unet.ipynb MODEL=runs/demo/unet/last.keras \
        FIGURE=runs/demo/predict_unet.png TABLE=runs/demo/predict_unet.csv \
    predict_resnet_real_images.ipynb MODEL=runs/demo/resnet/last.keras \
        FIGURE=runs/demo/predict_resnet_real_images.png OUT=runs/demo/resnet_depth \
    predict_unet_real_images.ipynb MODEL=runs/demo/unet/last.keras \
        FIGURE=runs/demo/predict_unet_real_images.png OUT=runs/demo/unet_depth \
    compare_two_models.ipynb MODEL_1=runs/demo/resnet/last.keras \
        MODEL_2=runs/demo/unet/last.keras FOLDER=runs/demo

STUDIES := $(basename $(notdir $(wildcard experiments/*.ipynb)))
ifneq ($(and $(filter study,$(MAKECMDGOALS)),$(filter-out $(STUDIES),$(value NAME))),)
$(error `NAME` must be one of $(STUDIES). Received: NAME=$(value NAME))
endif

.PHONY: help setup setup-predict demo $(NOTEBOOKS) kitti compare study nyu bench lab notebook-filter sample \
    roads sample-kitti stereo sample-stereo sample-drive figures test test-all fuzz torture lint lock \
    test-backends test-jax test-torch clean-cache clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-28s %s\n", $$1, $$2 }' Makefile

setup: .venv/setup.done ## the environment .venv, again only when the requirements have changed

setup-predict: .venv-predict/setup.done ## only what predicting needs, in a minute: .venv-predict
	@echo .venv-predict/bin/depthlib predict PHOTO --out FOLDER

demo: setup ## every notebook in turn on the embedded sample, then figure and table
	@rm -rf runs/demo
	@$(PY) -m tools.run_notebooks --output runs/demo/notebooks $(DEMO)
	@echo runs/demo/comparison.png
	@echo runs/demo/metrics.csv
	@$(PY) -c "import pandas; print(pandas.read_csv('runs/demo/metrics.csv').iloc[:, :8].round(3).to_string(index=False))"

make-dataset: ## the CSVs of the sample; FOLDER=datasets/data for NYU
train-resnet: ## train the ResNet34 U-Net; EPOCHS=, DATA=, RUN=, ...: the notebook's parameters
train-unet: ## train the U-Net
predict-resnet: ## score the ResNet34 U-Net on test images; MODEL=, DATA=
predict-unet: ## score the U-Net
predict-resnet-real-images: ## the ResNet34 U-Net on photos; PHOTOS= a photo, folder or list, FOCAL=
predict-unet-real-images: ## the U-Net on photos; the same
predict-video: ## a video with its depth beside it; VIDEO= a file, a folder or a camera, MODEL=
gpu-test: ## which device computes, and how fast
$(NOTEBOOKS): setup
	@$(PY) -m tools.run_notebooks $(subst -,_,$@).ipynb $(PARAMETERS)

kitti: setup ## depth maps and CSVs of the synthetic drive; FOLDER=datasets/kitti for KITTI's
	@$(PY) -m tools.run_notebooks make_kitti_dataset.ipynb $(PARAMETERS)

stereo: setup ## a dataset of two cameras; BOARDS_LEFT=, BOARDS_RIGHT=, SQUARE=, LEFT=, RIGHT=, FOLDER=
	@$(PY) -m tools.run_notebooks make_stereo_dataset.ipynb $(PARAMETERS)

compare: setup ## two models side by side, with trivial baselines; MODEL_1=, MODEL_2=
	@$(PY) -m tools.run_notebooks compare_two_models.ipynb $(PARAMETERS)

study: setup ## an experiment: NAME= of a notebook in experiments/, and its parameters
	@$(PY) -m tools.run_notebooks $(call quote,experiments/$(value NAME).ipynb) $(PARAMETERS)

nyu: FOLDER = datasets/data
nyu: RUN = runs/nyu
nyu: setup ## all of NYU: the ResNet34 from ImageNet's weights, scored by three protocols; CHANGES=
	@$(PY) -m tools.run_notebooks make_dataset.ipynb $(call quote,FOLDER=$(value FOLDER))
	@TF_CPP_MIN_LOG_LEVEL=3 $(PY) -m depthlib.training resnet34 weights=imagenet \
	    $(if $(value CHANGES),$(call text,CHANGES)) --verbose 1 \
	    --data $(call quote,$(value FOLDER)/nyu2_train.csv) --run $(call text,RUN)
	@$(PY) -m tools.run_notebooks experiments/peers.ipynb \
	    $(call quote,DATA=$(value FOLDER)/nyu2_test.csv) \
	    $(call quote,MODELS={"resnet34": $(call literal,$(value RUN)/best.keras)}) \
	    $(call quote,FOLDER=$(value RUN)) $(call quote,TABLE=$(value RUN)/scores.csv) \
	    $(call quote,LATENCY=$(value RUN)/latency.csv) $(call quote,FIGURE=$(value RUN)/comparison.png)

bench: setup ## how fast everything is on this machine, as ratios: 10 minutes, runs/bench/bench.json
	@$(PY) -m benchmarks

# A kernel holds its network, up to a gigabyte, until it ends: one does that computes nothing for half an
# hour. What it showed stays.
lab: setup notebook-filter ## JupyterLab with these notebooks
	$(PY) -m jupyterlab --MappingKernelManager.cull_idle_timeout=1800 \
	    --MappingKernelManager.cull_connected=True \
	    --FileContentsManager.post_save_hook=tools.clean_notebook.tell_git \
	    --LabApp.news_url=None

# A notebook that was run is as it was for git: .gitattributes has the filter's name, and a clone, which
# has no such filter by itself, its command. Where .venv or the file is gone, nothing is filtered.
CLEAN := $(PY) tools/clean_notebook.py
notebook-filter:
	@! git rev-parse --git-dir >/dev/null 2>&1 || git config filter.notebooks.clean \
	    'if test -x $(PY) && test -f $(lastword $(CLEAN)); then $(CLEAN); else cat; fi'

sample: .venv/render.done ## render datasets/sample again; SEED=
	$(PY) -m rendering rooms --seed $(call text,SEED) --folder datasets/sample

sample-kitti: setup ## make the synthetic drive of datasets/sample_kitti again
	$(PY) -m rendering.kitti_drive --folder datasets/sample_kitti

sample-stereo: .venv/render.done ## render the boards and the drive of datasets/sample_stereo again
	$(PY) -m rendering stereo --seed 0 --scenes 1 --folder datasets/sample_stereo

sample-drive: setup ## make the drive of two cameras of datasets/sample_drive again
	$(PY) -m rendering.kitti_drive --folder datasets/sample_drive --pairs 16

# datasets/sample_roads is SEED=0 SCENES=32 FOLDER=datasets/sample_roads SAMPLES=9. Another seed is
# the default, so that no scene that the sample tests on is among those to train on.
roads: SEED = 1
roads: SCENES = 200
roads: SAMPLES = 16
roads: FOLDER = datasets/roads
roads: .venv/render.done ## render more roads; SCENES=, FOLDER=, SEED=, KINDS=, ONLY=overcast, VIEW=kitti
	$(PY) -m rendering roads --seed $(call text,SEED) --scenes $(call text,SCENES) \
	    --samples $(call text,SAMPLES) --folder $(call text,FOLDER) --resume \
	    $(if $(value HEIGHT),--height $(call text,HEIGHT)) \
	    $(if $(value KINDS),--kinds $(call each,KINDS)) \
	    $(if $(value ONLY),--only $(call each,ONLY)) $(if $(value VIEW),--view $(call text,VIEW))

figures: demo ## the pictures and the table under docs/ that need no more than the sample
	@cp runs/demo/comparison.png runs/demo/metrics.csv docs
	@$(PY) -m tools.run_notebooks predict_unet_real_images.ipynb FIGURE=runs/figures/road_photos.jpg \
	    FOCAL=0.75 OUT=None
	@$(PY) -m tools.run_notebooks experiments/weather.ipynb FIGURE=runs/figures/weather.jpg
	@$(PY) -m experiments.corruptions datasets/sample/nyu2_test/00030_colors.png \
	    runs/figures/corruptions.jpg
	@$(PY) -m rendering show --folder datasets/sample_roads --figure runs/figures/roads.jpg
	@cp runs/figures/*.jpg docs

.PHONY: tutorials
tutorials: setup ## the notebooks that `make demo` leaves out, as they stand: for the site
	@$(PY) -m tools.run_notebooks --output runs/tutorials start_here.ipynb make_kitti_dataset.ipynb \
	    train_kitti_resnet.ipynb train_kitti_unet.ipynb predict_video.ipynb gpu_test.ipynb

# From the root, where cards and notebooks lie beside docs/. What was built stays, page by page.
.PHONY: docs
docs: .venv/docs.done ## the site, in runs/docs/site: pages, notebooks as they were run, the reference
	@TF_CPP_MIN_LOG_LEVEL=3 $(PY) -m sphinx -qW --keep-going -c docs -d runs/docs/pages . runs/docs/site
	@echo runs/docs/site/index.html

.PHONY: web web-serve
web: web/node_modules/setup.done ## the page that shows a photo's depth in the browser: web/dist; NETWORKS=
	@$(NEEDS_NODE)
	@$(if $(value NETWORKS),NETWORKS=$(call text,NETWORKS) )node web/build.mjs

web-serve: web ## the page on localhost; PORT=8000
	@echo http://localhost:$(call text,PORT)
	@python3 -m http.server --bind 127.0.0.1 --directory web/dist $(call text,PORT)

NEEDS_NODE := command -v npm >/dev/null || { \
    echo "The page needs Node.js 20 or newer, with npm: https://nodejs.org"; exit 1; }
web/node_modules/setup.done: web/package-lock.json
	@$(NEEDS_NODE)
	@cd web && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# Two at a time: most of it is TensorFlow's imports and traces, which keep one core busy.
PYTEST := $(PY) -m pytest -q -n 2 --dist worksteal
test: .venv/dev.done lint ## the linter and the quick tests
	$(PYTEST) -m "not slow"

test-all: .venv/dev.done test-jax ## the slow tests, which `make test` leaves out, and JAX's
	$(PYTEST) -m slow

fuzz: .venv/dev.done ## 20,000 hostile files and words, with another seed each time; TRIES=
	TQDM_DISABLE=1 OPENCV_LOG_LEVEL=OFF TF_CPP_MIN_LOG_LEVEL=3 $(PY) -m tests.fuzz.campaign --tries $(call text,TRIES)
	FUZZ_TRIES="$$($(PY) -c 'import sys; print(int(sys.argv[1]) // 20)' $(call text,TRIES))" $(PY) -m pytest -q tests/fuzz/test_words.py

torture: .venv/dev.done ## long work that is killed, starved and run twice: up to an hour; as root, all of it
	$(PY) -m tests.torture.cases

lint: .venv/dev.done
	$(PY) -m ruff check
	$(PY) -m mypy

test-backends: test-jax test-torch ## the networks' tests on JAX and on PyTorch
BACKENDS := $(addprefix tests/,networks/test_layers.py networks/test_encoder_decoder.py networks/test_unet.py \
    networks/test_losses.py networks/test_photometric.py networks/test_keras_metrics.py test_device.py \
    training/test_optimizers.py)
# Training too, on one device and on several; in one process, whose compiler has threads of its own.
test-jax: .venv/dev.done
	KERAS_BACKEND=jax $(PY) -m pytest -q -m "not slow" $(BACKENDS) tests/networks/test_distillation.py \
	    tests/training/test_train.py tests/training/test_devices.py \
	    tests/test_benchmarks.py::test_the_gpu_benchmark_prints_what_several_devices_bring
# PyTorch on a CPU refuses the backward pass of a convolution as tiny as training's tests have.
test-torch: .venv-torch/setup.done
	KERAS_BACKEND=torch .venv-torch/bin/python -m pytest -q $(BACKENDS)

clean-cache: ## remove the decoded images
	rm -rf runs/cache

clean: ## remove the environments and what tools leave; runs/ stays
	rm -rf .venv .venv-predict .venv-torch .pytest_cache .ruff_cache .mypy_cache depthlib.egg-info
	rm -rf web/node_modules web/dist

# Set-up. Python 3.14 has no TensorFlow yet; what pyenv calls python3.13 need not run.
version = $(shell $(1) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
right = $(if $(filter 3.11 3.12 3.13,$(call version,$(1))),$(1))
CANDIDATES := python3.13 python3.12 python3.11 python3 python
first = $(firstword $(foreach name,$(CANDIDATES),$(call right,$(name))))
tried = $(or $(value PYTHON),$(CANDIDATES))
FOUND = $(or $(if $(value PYTHON),$(call right,$(call text,PYTHON)),$(first)),\
    $(error Python 3.11, 3.12 or 3.13 is needed; tried $(tried). Say which: make PYTHON=path))

ifdef PYTHON
ifneq ($(call version,$(FOUND)),$(call version,$(PY)))
.PHONY: .venv/setup.done
OTHER_PYTHON := yes
endif
endif

# pip takes no folder, as our own package is, beside digests.
ALONE := --no-deps --no-build-isolation -e .
LOCKED = --require-hashes -r $(call text,LOCK) && $(PY) -m pip install $(ALONE)
.venv/setup.done: PACKAGES = $(if $(value LOCK),$(LOCKED),-r requirements.txt -e .)
.venv-predict/setup.done: PACKAGES = -e .[cloud]
.venv-torch/setup.done: PACKAGES = $(call each,TORCH) $(LIGHT)
LIGHT := keras pandas scikit-learn h5py opencv-python-headless matplotlib pillow tqdm filelock pooch requests \
    pytest \
    -c requirements.txt
.venv/setup.done .venv-predict/setup.done .venv-torch/setup.done: requirements.txt pyproject.toml
	@if [ -e $(@D)/unfinished ] || [ "$(OTHER_PYTHON)" ]; then rm -rf $(@D); fi
	@mkdir -p $(@D) && touch $(@D)/unfinished
	@if $(FOUND) -c 'import ensurepip' 2>/dev/null; then $(FOUND) -m venv $(@D); \
	else $(FOUND) -m venv --without-pip $(@D) && \
	    $(FOUND) -m pip --python $(@D)/bin/python install -q pip 2>/dev/null || \
	    { echo "Python cannot make environments here. On Debian: apt install python3-venv"; exit 1; }; fi
	$(@D)/bin/python -m pip install $(PACKAGES)
	@mv $(@D)/unfinished $@

.venv/dev.done .venv/render.done .venv/docs.done: .venv/%.done: .venv/setup.done
	$(PY) -m pip install $(if $(value LOCK),$(LOCKED),-e '.[$*]')
	@touch $@

lock: ## requirements.lock again, for all systems and Pythons; needs `pip install uv`
	uv pip compile pyproject.toml --extra dev --extra docs --extra jax --universal --python-version 3.11 \
	    --generate-hashes --no-annotate --quiet --output-file requirements.lock \
	    --custom-compile-command 'make lock'
