/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * kernels.cu - all kernels as one object file, for a program in C: see step.c.
 */
#include "sste_cuda.h"
