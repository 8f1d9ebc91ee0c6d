# A machine's whole life, in one process whose standard input is a pipe that the test holds: closed on purpose or
# by the death of the test, however sudden, it ends the machine and removes every trace of it.
#
#   machine.sh boot ROOT DIR    DIR's last component names the machine and its control groups
#   machine.sh clear DIR        what is left of one whose own supervisor was killed too
set -u
verb=$1
[ "$verb" = boot ] && { root=$2; shift; }
dir=$2
name=${dir##*/}

# one in every hierarchy that systemd itself uses (version 1, mixed, version 2), so that machines do not share one
cgroups=
for hierarchy in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    [ -e "$hierarchy/cgroup.procs" ] && cgroups="$cgroups $hierarchy/$name"
done

clear_away() {
    while
        pids=$(find $cgroups -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u)
        [ -n "$pids" ]
    do
        kill -KILL $pids 2>/dev/null
        sleep 0.02
    done
    find $cgroups -depth -type d -exec rmdir {} + 2>/dev/null
    # a test that failed may have left a file immutable
    chattr -R -f -i -a "$dir/upper" "$dir/root" 2>/dev/null
    rm -rf --one-file-system "$dir"
}

if [ "$verb" = boot ]; then
    mkdir -p "$dir/upper" "$dir/work" "$dir/root"
    for cgroup in $cgroups; do
        # commands that tests run get one of their own: version 2 allows no processes beside child groups
        mkdir -p "$cgroup/commands"
    done
    export root dir name cgroups
    {
        # the mounts are in a namespace that dies with the machine; /run is hidden, for systemd-nspawn would
        # otherwise meet the host's systemd or none at all
        unshare --mount sh -euc '
            for cgroup in $cgroups; do echo $$ >"$cgroup/cgroup.procs"; done
            mount -t tmpfs tmpfs /run
            # where this directory is on an overlay itself, as in a container, a second one on top is not possible
            mount -t overlay overlay -o "lowerdir=$root,upperdir=$dir/upper,workdir=$dir/work" "$dir/root" ||
                cp -a "$root/." "$dir/root"
            exec systemd-nspawn --boot --register=no --keep-unit --link-journal=no --console=pipe --quiet \
                --notify-ready=yes --resolv-conf=off --timezone=off \
                --machine="$name" --hostname=worker-1 --directory="$dir/root"
        ' </dev/null >"$dir/console.log" 2>&1
        echo $? >"$dir/exited"
    } &
    cat >/dev/null
fi
clear_away
