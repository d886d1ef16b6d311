#!/bin/sh
# fairlab sweep in parts under GNU parallel: parallel.sh FILE OUT PARTS [OPTION OF parallel]...
set -eu
file=$1 out=$2 parts=$3
shift 3
seq "$parts" | parallel "$@" \
  fairlab sweep "$file" --out "$out" --shard "{}/$parts" --jobs 1 --resume
fairlab merge "$out"
