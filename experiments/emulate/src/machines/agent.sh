# shellcheck shell=sh
# What `fairlab deploy` runs on a machine: it comes over ssh and is no file there. It reads one
# word and its values a line, and answers with one line, "ok ..." or "no ...", after any number
# of others. When its input ends, or a signal does it, everything it has made goes: processes
# and the one folder. What it does not recognise as made by another of its kind is left alone.
#
# FOLDER/marker says whose a folder is: number and start of this process, then of the guard's.
# FOLDER/fairhaul is the program, FOLDER/RUN/PEER the folder of a node with its `pid`.
set -u
umask 077
folder=''
guard=''

# started PID: when it began, in ticks since the machine did; nothing of one that has ended.
started() {
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  # Behind the name, which may itself hold blanks.
  # shellcheck disable=SC2086
  set -- ${stat##*) }
  [ "$1" = Z ] || echo "${20}"
}
# ours PID HOME: it is the node of that folder, and no other process by now.
ours() {
  [ "$(tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline")" = "${2%/*/*}/fairhaul run -c $2/node.toml " ]
}
# remove DIR [TRIES]: the nodes of a run folder, or of all runs in one of ours, and the folder.
remove() {
  for file in "$1"/pid "$1"/*/pid "$1"/*/*/pid; do
    pid=$(cat "$file" 2>/dev/null) || continue
    # Until it is the node, a process that we have just started is still a shell.
    tries=0
    until ours "$pid" "${file%/pid}" || [ -z "$(started "$pid")" ] || [ $tries -ge "${2:-0}" ]; do
      sleep 0.1
      tries=$((tries + 1))
    done
    ! ours "$pid" "${file%/pid}" || kill -9 "$pid" 2>/dev/null
  done
  rm -rf "$1" 2>/dev/null || { sleep 0.2; rm -rf "$1"; }
}
finish() {
  trap '' HUP PIPE TERM INT
  [ -z "$guard" ] || kill "$guard" 2>/dev/null
  cd /
  [ -z "$folder" ] || remove "$folder" 20
  exit 0
}
# watch SECONDS: ends everything when nobody has asked anything for so long.
watch() {
  trap '' HUP PIPE INT
  quiet=0
  while sleep 1 && [ -d "$folder" ]; do
    quiet=$((quiet + 1))
    ! rm "$folder/pulse" 2>/dev/null || quiet=0
    [ $quiet -lt "$1" ] || remove "$folder" 20
    if [ $quiet -ge "$1" ] && [ "$(started $$)" = "$born" ]; then kill $$; fi
  done
}
# others BASE: removes what dead runs left there. A run that lives is told, and left alone.
others() {
  for dir in "$1"/.fairlab-*; do
    if [ ! -d "$dir" ] || [ -L "$dir" ] || [ ! -O "$dir" ] || [ ! -f "$dir/marker" ]; then continue; fi
    read -r word one start two start_two <"$dir/marker" || continue
    [ "$word" = fairlab ] || continue
    if [ "$(started "$one")" = "$start" ] || [ "$(started "$two")" = "$start_two" ]; then
      echo "busy $dir"
    else
      remove "$dir"
      echo "left $dir"
    fi
  done
}
# hello BASE NAME ALONE: makes the folder.
hello() {
  base=$1
  [ "$base" != - ] || base=$HOME
  case $base in
    *[!A-Za-z0-9_./-]* | [!/]* | '') echo "no the folder $base has other signs than A-Z a-z 0-9 _ . / -, or is not absolute; see --prefix"; return ;;
  esac
  [ -n "$born" ] || { echo "no this is no Linux with /proc"; return; }
  [ -d "$base" ] || { echo "no there is no folder $base"; return; }
  for tool in setsid sleep tr cat rm df; do
    command -v $tool >/dev/null 2>&1 || { echo "no there is no program $tool"; return; }
  done
  found=$(others "$base")
  case $found in *busy*) echo "$found"; echo "no another run is there"; return ;; esac
  [ -z "$found" ] || echo "$found"
  said=$(mkdir "$base/.fairlab-$2" 2>&1) || { echo "no $said"; return; }
  folder=$base/.fairlab-$2
  watch "$3" </dev/null >/dev/null 2>&1 &
  guard=$!
  echo "fairlab $$ $born $guard $(started $guard)" >"$folder/marker" ||
    { folder_was=$folder; remove "$folder"; folder=''; echo "no $folder_was cannot be written to"; return; }
  echo "ok $folder"
}
# program SHA256: takes an installed one if it is the same.
program() {
  for file in "$folder/fairhaul" /usr/local/bin/fairhaul; do
    [ -f "$file" ] || continue
    sum=$(sha256sum "$file" 2>/dev/null) || continue
    [ "${sum%% *}" = "$1" ] || continue
    [ "$file" = "$folder/fairhaul" ] || cp "$file" "$folder/fairhaul" 2>/dev/null || continue
    echo "ok have"
    return
  done
  echo "ok send"
}
version() {
  chmod 700 "$folder/fairhaul"
  if said=$("$folder/fairhaul" --version 2>&1); then echo "ok $said"; else echo "no $(echo "$said" | tail -n 1)"; fi
}
room() {
  # The last line ends with: total, used, free, percent, mounted on.
  # shellcheck disable=SC2046
  set -- $(df -Pk "$folder" | tail -n 1)
  echo "ok ${4:-0}"
}
# start HOME
start() {
  rm -f "$1/control.sock"
  cd "$1" || { echo "no $1 is not there"; return; }
  setsid "$folder/fairhaul" run -c "$1/node.toml" >>"$1/node.log" 2>&1 </dev/null &
  pid=$!
  cd /
  echo "$pid" >"$1/pid" || { kill -9 $pid; echo "no $1/pid cannot be written"; return; }
  echo ok
}
# gone HOME: whether its process has ended; then how, in $status, and the last line it said.
gone() {
  pid=$(cat "$1/pid") || return 1
  [ -z "$(started "$pid")" ] || return 1
  wait "$pid" 2>/dev/null
  status=$?
  last=$(tail -n 1 "$1/node.log" 2>/dev/null | tr -d '\r')
  rm -f "$1/pid"
}
state() {
  if [ ! -e "$1/pid" ]; then echo "ok none"
  elif gone "$1"; then echo "ok ended $status $last"
  elif [ -S "$1/control.sock" ]; then echo "ok up"
  else echo "ok runs"
  fi
}
# signal NAME HOME: to our own child, which nobody has waited for, so the number is its own.
signal() {
  pid=$(cat "$2/pid" 2>/dev/null) && kill "-$1" "$pid" 2>/dev/null
  if [ "$1" = KILL ] && [ -n "$pid" ]; then wait "$pid" 2>/dev/null; rm -f "$2/pid"; fi
  echo ok
}
# look: who has ended, and how busy the machine was.
look() {
  for file in "$folder"/*/*/pid; do
    if [ -e "$file" ] && gone "${file%/pid}"; then echo "dead ${file%/pid} $status $last"; fi
  done
  read -r cpu 2>/dev/null </proc/stat || cpu=''
  echo "ok $cpu"
}

trap finish HUP PIPE TERM INT
born=$(started $$)
echo 'fairlab agent 1'
while read -r word one two three; do
  [ -z "$folder" ] || touch "$folder/pulse" 2>/dev/null
  case $word in
    hello) hello "$one" "$two" "$three" ;;
    program) program "$one" ;;
    version) version ;;
    room) room ;;
    start) start "$one" ;;
    state) state "$one" ;;
    signal) signal "$one" "$two" ;;
    look) look ;;
    end) remove "$one" 20; if [ -e "$one" ]; then echo "no $one could not be removed"; else echo ok; fi ;;
    *) echo "no there is no word $word" ;;
  esac
done
finish
