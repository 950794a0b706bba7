#!/usr/bin/env bash
# A model that was published is loaded by URL in an environment that has tensorflow-hub and nothing of mizoo, and
# answers the golden pairs of the index. The store is served by the plain server of Python.
#   ci/hub.sh [FOLDER]    FOLDER keeps the environment for the next run; without it everything is temporary.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
folder=${1:-$work}
export TF_CPP_MIN_LOG_LEVEL=2 MIZOO_CACHE="$work/cache" TFHUB_CACHE_DIR="$work/hub"
[ -x "$folder/env/bin/python" ] || python3.11 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet tensorflow tensorflow-hub "setuptools<81"

mizoo="$root/.venv/bin/mizoo"
cd "$work"
"$mizoo" train tagging_binomial --data shapes --set epochs=1
"$mizoo" export runs/tagging_binomial/* --to models
"$mizoo" publish models/tagging_binomial --to store
# The server tells its port in its first line.
"$root/.venv/bin/python" -u -m http.server 0 --bind 127.0.0.1 --directory store >server.log 2>&1 &
server=$!
until port=$(sed -n 's/.* port \([0-9]*\).*/\1/p' server.log) && [ -n "$port" ]; do kill -0 "$server"; sleep 0.1; done
"$folder/env/bin/python" -c "import importlib.util as u; assert not u.find_spec('zoo') and not u.find_spec('serving')"
"$folder/env/bin/python" "$root/ci/answer_goldens.py" "http://127.0.0.1:$port"
echo "hub: ok"
