"""How the planned cases get run: by Snakemake here or on Slurm, or by a plain Slurm job array."""
import json
import os
import signal
import subprocess
import sys
import threading
import time

from tools import Refused, say

HERE = os.path.dirname(os.path.abspath(__file__))
RUNNER = os.path.join(HERE, "case.py")
RETRIES = 2
LARGEST_ARRAY = 1000  # Slurm's default limit is 1001


def machine_mb():
    """What Snakemake may fill here: nine tenths of what is free, or of the cgroup's limit."""
    with open("/proc/meminfo", encoding="ascii") as file:
        free = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(path, encoding="ascii") as file:
                free = min(free, int(file.read()))
        except (OSError, ValueError):
            pass
    return int(0.9 * free / 2 ** 20)


class Watch:
    """Says on stderr which cases have settled, until it is told to stop."""

    def __init__(self, work, names):
        self.folder, self.left, self.total = os.path.join(work, "settled"), set(names), len(names)
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        while not self.stopped.wait(0.5):
            self.look()

    def look(self):
        for name in sorted(self.left):
            try:
                with open(os.path.join(self.folder, name), encoding="ascii") as file:
                    code = file.read().strip()
            except FileNotFoundError:
                continue
            self.left.remove(name)
            say(f"[{self.total - len(self.left)}/{self.total}] {name}" + ("" if code == "0" else f": exit code {code}"))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()
        self.look()


def wait_all(processes):
    """Waits for process groups of their own; an interruption goes on to them, and is raised when they have ended."""
    interrupted = []

    def handle(number, _):
        interrupted.append(number)
        for process in processes:
            try:
                os.killpg(process.pid, signal.SIGINT)
            except ProcessLookupError:
                pass
    earlier = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    codes = [process.wait() for process in processes]
    for process in processes:  # what outlived its leader: cases that clean up
        for _ in range(600):
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                break
            time.sleep(0.1)
    for number, handler in earlier.items():
        signal.signal(number, handler)
    if interrupted:
        raise Refused(128 + interrupted[0], "interrupted; the same command goes on from here")
    return codes


def environment(work):
    """Nothing is written to the home folder: Snakemake's caches stay in OUT, and Python leaves no compiled files."""
    home = os.path.join(work, "home")
    os.makedirs(home, exist_ok=True)
    return {**os.environ, "HOME": home, "XDG_CACHE_HOME": home, "XDG_CONFIG_HOME": home, "PYTHONDONTWRITEBYTECODE": "1"}


def snakemake(work, cases, options):
    """Cases that need it, by Snakemake; on Slurm through sbatch with the planned memory and time."""
    requests = {"out": options.out, "runner": [sys.executable, RUNNER], "threads": options.threads,
                "limit_mb": None if options.slurm else machine_mb(),
                "cases": {case["name"]: [case["mem_mb"], case["minutes"]] for case in cases}}
    with open(os.path.join(work, "requests.json"), "w", encoding="utf-8") as file:
        json.dump(requests, file)
    call = ["snakemake", "--snakefile", os.path.join(HERE, "Snakefile"), "--directory", work, "--keep-going", "--nolock",
            "--retries", str(RETRIES),
            "--scheduler", "greedy", "--rerun-triggers", "mtime", "--nocolor", "--rerun-incomplete"]
    if options.slurm:
        logs = os.path.join(work, "logs", "slurm-%j.out")
        call += ["--jobs", str(options.jobs), "--latency-wait", "60", "--local-cores", "1",
                 "--cluster", f"sbatch --parsable --job-name={{wildcards.case}} --cpus-per-task={{threads}} "
                 f"--mem={{resources.mem_mb}} --time={{resources.runtime}} --output={quoted(logs)}",
                 "--cluster-status", os.path.join(HERE, "slurm_status"), "--cluster-cancel", "scancel"]
    else:
        call += ["--cores", str(options.jobs * options.threads), "--resources", f"mem_mb={requests['limit_mb']}"]
    with open(os.path.join(work, "snakemake.log"), "a", encoding="utf-8") as log:
        try:
            process = subprocess.Popen(call, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(work),
                                       start_new_session=True)
        except FileNotFoundError:
            raise Refused(69, "snakemake is missing (scripts/setup cohort, or --array on Slurm)") from None
        code = wait_all([process])[0]
    if code not in (0, 1):
        raise Refused(70, f"snakemake ended with {code}: see {work}/snakemake.log")


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def array(work, cases, options):
    """Cases that need it, by job arrays; those that another try may help are submitted again with twice the memory and time."""
    left = cases
    for attempt in range(1, RETRIES + 2):
        processes = []
        for start in range(0, len(left), LARGEST_ARRAY):
            part = left[start:start + LARGEST_ARRAY]
            listing = os.path.join(work, f"array-{attempt}-{start}.txt")
            with open(listing, "w", encoding="utf-8") as file:
                file.writelines(case["name"] + "\n" for case in part)
            call = ["sbatch", "--parsable", "--wait", f"--array=1-{len(part)}%{options.jobs}", f"--cpus-per-task={options.threads}",
                    f"--mem={max(case['mem_mb'] for case in part) * 2 ** (attempt - 1)}",
                    f"--time={max(case['minutes'] for case in part) * 2 ** (attempt - 1)}",
                    f"--output={os.path.join(work, 'logs', 'slurm-%A_%a.out')}",
                    os.path.join(HERE, "array"), options.out, listing, str(attempt), sys.executable, RUNNER]
            with open(os.path.join(work, "array.log"), "a", encoding="utf-8") as log:
                try:
                    processes.append(subprocess.Popen(call, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(work),
                                                      start_new_session=True))
                except FileNotFoundError:
                    raise Refused(69, "sbatch is missing: --array needs Slurm") from None
        try:
            wait_all(processes)
        except Refused:
            subprocess.run(["scancel", "--name=osteoforge", *submitted(work)], check=False)
            raise
        left = [case for case in left if not os.path.exists(os.path.join(work, "settled", case["name"]))]
        if not left:
            break
    return left


def submitted(work):
    with open(os.path.join(work, "array.log"), encoding="utf-8") as file:
        return [line.split(";")[0].strip() for line in file if line.split(";")[0].strip().isdigit()]
