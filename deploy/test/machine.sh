#!/usr/bin/env bash
# One "machine" of ssh.sh, from inside its network namespace: folders of its own above those of
# this computer, and sshd in the foreground.
#   unshare --mount --uts machine.sh FOLDER NAME [SSHD OPTION...]
set -euo pipefail
folder=$1 name=$2
shift 2
hostname "$name"
for part in etc usr var root home; do
  mkdir -p "$folder/$part" "$folder/.$part"
  mount -t overlay overlay -o "lowerdir=/$part,upperdir=$folder/$part,workdir=$folder/.$part" "/$part"
done
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/sshd
# A user without rights, who has no password but may log in by key.
id worker >/dev/null 2>&1 || useradd --create-home --shell /bin/sh --password '*' worker
# The one that cloud-init makes on a VM, and the names that the cloud's own DNS gives out.
id deployer >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --password '*' deployer
if [ -d /etc/sudoers.d ]; then echo 'deployer ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/deployer; fi
cat "$folder/hosts" >>/etc/hosts
cp "$folder/authorized_keys" /etc/ssh/test_keys
chmod 644 /etc/ssh/test_keys
exec /usr/sbin/sshd -D -e -f /dev/null -h "$folder/host_key" -o UsePAM=no -o PermitRootLogin=yes \
  -o AuthorizedKeysFile=/etc/ssh/test_keys -o StrictModes=no -o Port=22 "$@"
