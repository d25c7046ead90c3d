#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# fake_pretrain.py - answers the command line of build/examples/pretrain with
# made-up measures, for the tests of examples/experiment.py: the same options
# give the same CSV, at once or resumed. FAKE_DELAY is the time of a step in
# seconds; FAKE_FAIL and FAKE_DIVERGE hold words, and a run whose command line
# has them all fails, or diverges half-way. FAKE_LOG is a file that gets a line
# as a run begins and one as it ends.
import math
import os
import random
import signal
import sys
import time

COLUMNS = ("step,train_bpb,lr,flip_rate,val_bpb,beta,before,after,frozen,"
           "predicted,predicted_map")
# Loss above the best, flips at first and in the end in units of dense's, and
# what the mask's moves add to the descent; from no measurement.
METHODS = {"dense": (0, 1, 1, 0), "ste": (0.10, 3, 0.5, 1),
           "sr-ste": (0.02, 2, 1.5, 0.6), "t-sr-ste": (0.06, 1.5, 1.2, 0.5),
           "step": (0.09, 1.8, 1.4, 0.7), "s-ste": (0.03, 0.8, 1.1, 0.3)}
BEST = {"ste": 0.016, "step": 0.016}  # learning rates, where not 0.004
BETA = {"every-step": 0.02, "equal-l1": -0.02}  # of loss
# What is no measure's matter; all other options draw other noise.
FILES = ("--csv", "--checkpoint", "--save-every", "--resume")


def line(options, step, noise):
    """One line of the CSV, drawn from `noise` alone."""
    steps, method = int(options["--steps"]), options["--method"]
    rate, done = float(options["--lr"]), step / steps
    loss, first, last, moves = METHODS[method]
    loss *= 1.5 if options.get("--fp8") == "on" else 1
    loss *= math.sqrt(64 / int(options["--width"]))
    loss += (2 + 3 * math.exp(-6 * done) + BETA.get(options.get("--beta"), 0) +
             0.02 * math.log2(rate / BEST.get(method, 0.004))**2 +
             0.1 * abs(math.log2(float(options.get("--decay", 10)) / 10)))
    train = loss + noise.gauss(0, 0.05)
    flips = 0.02 * math.exp(-3 * done) * (first * (1 - done) + last * done)
    row = [step, train, rate * (1 - done), flips * noise.uniform(0.8, 1.2), "",
           1.5 if method == "s-ste" else 1, "", "", "", "", ""]
    if options.get("--beta") == "every-step":
        row[5] += done * noise.uniform(0.9, 1.1)
        row[3] *= 1 + 3 * done
    if step % max(1, steps // 10) == 0:
        row[4] = loss + noise.gauss(0, 0.002)
    if step % int(options.get("--probe-every", steps + 1)) == 0:
        predicted = 0.01 * noise.gauss(0.5, 1) * math.exp(-2 * done)
        frozen = predicted - abs(noise.gauss(0, 0.002))
        actual = frozen - moves * noise.gauss(0.003, 0.006)
        row[6:] = [train, train - actual, train - frozen, predicted,
                   (predicted + actual) / 2]
    return ",".join("%.17g" % x if x != "" else "" for x in row) + "\n"


def has_all(words, argv):
    return bool(words) and all(word in argv for word in words.split())


def main(argv):
    options = dict(zip(argv[1::2], argv[2::2]))
    steps, first, stopped = int(options["--steps"]), 0, []
    if has_all(os.environ.get("FAKE_FAIL"), argv):
        print("pretrain: this run was told to fail", file=sys.stderr)
        return 2
    diverges = has_all(os.environ.get("FAKE_DIVERGE"), argv)
    if "--resume" in options:
        with open(options["--resume"], encoding="ascii") as file:
            first = int(file.read())
        print("resumed at step %d" % first, file=sys.stderr)
    signal.signal(signal.SIGINT, lambda number, frame: stopped.append(number))
    noise = random.Random(" ".join("%s %s" % item for item in sorted(
        options.items()) if item[0] not in FILES))
    part = "%s.%d.part" % (options["--csv"], os.getpid())
    with open(part, "w", encoding="ascii") as csv:
        csv.write(COLUMNS + "\n")
        for step in range(1, steps + 1):
            csv.write(line(options, step, noise))
            csv.flush()
            if step > first:
                time.sleep(float(os.environ.get("FAKE_DELAY", "0")))
            if diverges and step == steps // 2:
                print("pretrain: the loss diverged", file=sys.stderr)
                break
            if step % int(options["--save-every"]) == 0 or stopped:
                with open(options["--checkpoint"], "w",
                          encoding="ascii") as file:
                    file.write("%d\n" % step)
            if stopped:
                os.remove(part)
                return 128 + stopped[0] if len(stopped) == 1 else 3
    os.rename(part, options["--csv"])
    return 1 if diverges else 0


def log(*words):
    if "FAKE_LOG" in os.environ:
        with open(os.environ["FAKE_LOG"], "a", encoding="utf-8") as file:
            print(*words, file=file)


if __name__ == "__main__":
    log("begin", os.environ["OMP_NUM_THREADS"], *sys.argv[1:])
    STATUS = main(sys.argv[1:])
    log("end", STATUS)
    sys.exit(STATUS)
