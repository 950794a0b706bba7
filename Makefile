# Two commands do all the set-up: `make quickstart` and `make test`.
PYTHON ?= python3.11
BIN := .venv/bin
FIRST = mobilenet_v2=$(WEIGHTS)/mobilenet_v2_100_224.weights.h5
SECOND = mobilenet_075=$(WEIGHTS)/mobilenet_v1_075_192.weights.h5

.PHONY: quickstart test lint bench clean

quickstart: .venv/ready  ## train, export, serve and query a tagger on drawn pictures
	$(BIN)/mizoo quickstart

test: .venv/ready lint  ## all tests
	$(BIN)/python -m pytest -n 2

lint: .venv/ready  ## format, style, types
	ci/lint.sh $(BIN)

bench: .venv/ready  ## results of real data and of serving; needs DATA=DIR and WEIGHTS=DIR
	$(BIN)/python -m ci.bench.serving
	$(BIN)/python -m ci.bench.overload
	$(BIN)/python -m ci.bench.swap
	$(BIN)/python -m ci.bench.store
	$(BIN)/python -m ci.store_kill --kills 200
	$(BIN)/python -m ci.bench.search
	$(BIN)/python -m ci.bench.search_served
	$(BIN)/python -m ci.bench.visual_semantic --data $(DATA) --weights $(WEIGHTS) --seeds 3
	$(BIN)/python -m ci.bench.distillation --data $(DATA)/cifar10 --others 1
	$(BIN)/python -m ci.bench.distillation --data $(DATA)/cifar10 --teacher-epochs 60
	$(BIN)/python -m ci.bench.distillation --data $(DATA)/tiny-imagenet-100-32 --teacher-epochs 60 --others 1
	$(BIN)/python -m ci.bench.distillation_precision --data $(DATA)/cifar10
	$(BIN)/python -m ci.bench.distillation_speed --data $(DATA)/cifar10
	$(BIN)/python -m ci.bench.captioning --data $(DATA)/mnist --seeds 3
	$(BIN)/python -m ci.bench.captioning_speed
	$(BIN)/python -m ci.bench.captioning_photographs --data $(DATA)/flickr8k --weights $(WEIGHTS)/mobilenet_v2_100_224.weights.h5
	$(BIN)/python -m ci.bench.fusion --objects $(DATA)/caltech101 --captions $(DATA)/flickr8k --first $(FIRST) --second $(SECOND) --image-size 224 --second-image-size 128
	$(BIN)/python -m ci.bench.fusion_whole --objects $(DATA)/caltech101 --first $(FIRST) --second $(SECOND) --second-image-size 128
	$(BIN)/python -m ci.bench.spectrum --backbone $(FIRST) --backbone $(SECOND)
	$(BIN)/python -m ci.bench.pooling
	$(BIN)/python -m ci.bench.tag_list --data $(DATA)
	$(BIN)/python -m ci.bench.memory
	$(BIN)/python -m ci.bench.input_pipeline --data $(DATA) --weights $(WEIGHTS)
	$(BIN)/python -m ci.bench.tagging --data $(DATA) --weights $(WEIGHTS) --seeds 3

# One environment for both commands; installed anew when the requirements change.
.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[zoo,nlp,search,signing,dev]'
	touch $@

clean:
	rm -rf .venv quickstart build dist *.egg-info
