/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * cuda/compress.cuh - stored values and metadata of a 2:4 matrix.
 *
 * A warp takes 32 x 32 elements, whose metadata are 32 words, one for every
 * lane (the picture is in sste_mma.h, section 3): lane l reads what word l is
 * about, four chunks of one row and four of the row eight below, and needs
 * nothing from its neighbours. Four warps side by side read 128 columns.
 *
 * Floats, and a matrix to be transposed, take a way round: the 32 x 128 codes
 * of a block go to shared memory first, each warp reading rows of w, lanes side
 * by side; from there a lane takes what is its own.
 */
#ifndef SSTE_CUDA_COMPRESS_CUH
#define SSTE_CUDA_COMPRESS_CUH

#include "warp.cuh"

/* ---- Where a thread works ------------------------------------------------ */

enum { SSTE_PRIV_TILE_THREADS = 128 };

/* A matrix in blocks of 32 x 32, the last ones padded with zeros. */
typedef struct sste_priv_cuda_tiles {
  size_t rows, chunks; /* of the matrix */
  size_t tall, wide;   /* blocks of metadata */
  size_t across;       /* thread blocks, each four of these wide */
} sste_priv_cuda_tiles;

static inline sste_priv_cuda_tiles sste_priv_cuda_tiles_of(size_t rows,
                                                           size_t cols) {
  sste_priv_cuda_tiles m;
  m.rows = rows;
  m.chunks = cols / 4;
  m.tall = rows / 32 + (rows % 32 != 0);
  m.wide = cols / 32 + (cols % 32 != 0);
  m.across = (m.wide + 3) / 4;
  return m;
}

/* What is a thread's: its word of metadata, the first of four chunks, the rows
 * they are in, and how many of the four the matrix has in each. */
typedef struct sste_priv_cuda_part {
  size_t word, chunk, row[2];
  int inside; /* 0: there is no such word */
  int have[2];
} sste_priv_cuda_part;

SSTE_BODY sste_priv_cuda_part
sste_priv_cuda_part_of(const sste_priv_cuda_tiles *m, int x, int t) {
  const unsigned across = (unsigned)m->across; /* at most all blocks, an int */
  const size_t i = (unsigned)x / across, lane = (size_t)t % 32;
  const size_t j = (size_t)((unsigned)x % across) * 4 + (size_t)t / 32;
  sste_priv_cuda_part at;
  int h;
  at.row[0] = 32 * i + lane % 4 / 2 * 16 + lane / 4;
  at.row[1] = at.row[0] + 8;
  at.chunk = 8 * j + lane % 2 * 4;
  at.word = sste_mma_meta_at(SSTE_MMA_CUTLASS2, SSTE_MMA_F16, 32 * m->tall,
                             32 * m->wide, at.row[0], at.chunk) /
            8;
  at.inside = j < m->wide;
  for (h = 0; h < 2; ++h) {
    at.have[h] = 0;
    if (at.row[h] < m->rows && at.chunk < m->chunks)
      at.have[h] = m->chunks - at.chunk < 4 ? (int)(m->chunks - at.chunk) : 4;
  }
  return at;
}

/* ---- Its memory ---------------------------------------------------------- */

/* The first n of `count` words at `from`, each two 16-bit elements, the rest
 * zero; a count of 4 or 8. On the GPU 16 bytes at a time where that is aligned
 * and all are wanted. */
SSTE_BODY void sste_priv_cuda_get(uint32_t *to, const void *from, int count,
                                  int n) {
  int i;
#ifdef __CUDA_ARCH__
  if (n == count && ((uintptr_t)from & 15) == 0) {
    SSTE_UNROLL
    for (i = 0; i < count; i += 4) {
      const uint4 v = ((const uint4 *)from)[i / 4];
      to[i] = v.x, to[i + 1] = v.y, to[i + 2] = v.z, to[i + 3] = v.w;
    }
    return;
  }
  if (((uintptr_t)from & 3) == 0) {
    SSTE_UNROLL
    for (i = 0; i < count; ++i) to[i] = i < n ? ((const uint32_t *)from)[i] : 0;
    return;
  }
#endif
  SSTE_UNROLL
  for (i = 0; i < count; ++i) {
    const size_t e = 2 * (size_t)i;
    to[i] = 0;
    if (i < n)
      to[i] = sste_priv_element(from, SSTE_BFLOAT16, e) |
              sste_priv_element(from, SSTE_BFLOAT16, e + 1) << 16;
  }
}

/* And the first n of `count` words put there. Spelled out, as
 * the compiler makes one of two ways to store the same: the narrow one. */
SSTE_BODY void sste_priv_cuda_put(void *to, const uint32_t *from, int count,
                                  int n) {
  int i;
#ifdef __CUDA_ARCH__
  if (n == count && ((uintptr_t)to & 15) == 0) {
    SSTE_UNROLL
    for (i = 0; i < count; i += 4)
      asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(
                       __cvta_generic_to_global((uint32_t *)to + i)),
                   "r"(from[i]), "r"(from[i + 1]), "r"(from[i + 2]),
                   "r"(from[i + 3])
                   : "memory");
    return;
  }
  if (((uintptr_t)to & 3) == 0) {
    SSTE_UNROLL
    for (i = 0; i < count; ++i)
      if (i < n) ((uint32_t *)to)[i] = from[i];
    return;
  }
#endif
  SSTE_UNROLL
  for (i = 0; i < count; ++i)
    if (i < n) {
      const size_t e = 2 * (size_t)i;
      sste_priv_set_element(to, SSTE_BFLOAT16, e, from[i] & 0xFFFFu);
      sste_priv_set_element(to, SSTE_BFLOAT16, e + 1, from[i] >> 16);
    }
}

/* A word of metadata, little-endian. */
SSTE_BODY void sste_priv_cuda_put_word(uint8_t *to, uint32_t word) {
  int i;
#ifdef __CUDA_ARCH__
  if (((uintptr_t)to & 3) == 0) {
    *(uint32_t *)to = word;
    return;
  }
#endif
  for (i = 0; i < 4; ++i) to[i] = (uint8_t)(word >> (8 * i));
}

/* ---- Two of four --------------------------------------------------------- */

/* The nibble of a chunk with more than two non-zeros. Codes as they are stored,
 * but for the sign, sort like magnitudes, even as upper halves of floats. */
SSTE_BODY int sste_priv_cuda_nibble_of_largest(uint64_t codes, sste_type type) {
  float a[4];
  int i;
  for (i = 0; i < 4; ++i)
    a[i] = sste_priv_float(
        sste_priv_stored_bits((uint32_t)(codes >> (16 * i)) & 0xFFFFu, type)
        << 16);
  return sste_mma_nibble(SSTE_MMA_LIKE_SSTE, SSTE_MMA_F16,
                         sste_group_mask(a, SSTE_TIE_LOWER));
}

/* What is stored of a chunk, four codes in two words: two of them, in one. */
SSTE_BODY uint32_t sste_priv_cuda_keep(const uint32_t chunk[2], sste_type type,
                                       int *nibble) {
  const uint64_t codes = chunk[0] | (uint64_t)chunk[1] << 32;
  uint32_t kept = 0;
  int i, mask = 0;
  for (i = 0; i < 4; ++i)
    mask |= !sste_priv_is_zero((uint32_t)(codes >> (16 * i)) & 0xFFFFu, type)
            << i;
  *nibble = sste_mma_nibble(SSTE_MMA_LIKE_SSTE, SSTE_MMA_F16, mask);
  if (*nibble < 0) *nibble = sste_priv_cuda_nibble_of_largest(codes, type);
  for (i = 0; i < 2; ++i) {
    const int at = sste_mma_position(*nibble, SSTE_MMA_F16, i);
    kept |=
        sste_priv_stored_bits((uint32_t)(codes >> (16 * at)) & 0xFFFFu, type)
        << (16 * i);
  }
  return kept;
}

/* ---- Compress ------------------------------------------------------------ */

typedef struct sste_priv_cuda_compress_args {
  void *values;
  uint8_t *meta;
  const void *w;
  const float *beta; /* of projection with compression */
  size_t ldv, ldw;
  sste_priv_cuda_tiles tiles; /* of what is stored: w, or its transpose */
  sste_type from, type;       /* of w, and of what is stored */
  int down;
} sste_priv_cuda_compress_args;

/* A thread's part from its codes, of either row eight words. */
SSTE_BODY void sste_priv_cuda_compress_part(
    const sste_priv_cuda_compress_args *p, const sste_priv_cuda_part *at,
    const uint32_t code[16], sste_type type) {
  uint32_t word = 0;
  int h, c;
  SSTE_UNROLL
  for (h = 0; h < 2; ++h) {
    uint32_t kept[4];
    SSTE_UNROLL
    for (c = 0; c < 4; ++c) {
      int nibble;
      kept[c] = sste_priv_cuda_keep(&code[8 * h + 2 * c], type, &nibble);
      word |= (uint32_t)nibble << (16 * h + 4 * c);
    }
    sste_priv_cuda_put(
        (uint16_t *)p->values + at->row[h] * p->ldv + 2 * at->chunk, kept, 4,
        at->have[h]);
  }
  if (at->inside) sste_priv_cuda_put_word(p->meta + 4 * at->word, word);
}

SSTE_BODY void sste_priv_cuda_compress_typed(
    const sste_priv_cuda_compress_args *p, sste_block *block, sste_type type) {
  SSTE_EACH_THREAD(t, SSTE_PRIV_TILE_THREADS) {
    const sste_priv_cuda_part at =
        sste_priv_cuda_part_of(&p->tiles, block->x, t);
    uint32_t code[16];
    int h;
    SSTE_UNROLL
    for (h = 0; h < 2; ++h)
      sste_priv_cuda_get(
          &code[8 * h],
          (const uint16_t *)p->w + at.row[h] * p->ldw + 4 * at.chunk, 8,
          2 * at.have[h]);
    sste_priv_cuda_compress_part(p, &at, code, type);
  }
}

/* The type is a constant in either half. */
SSTE_BODY void sste_priv_cuda_compress_block(
    const sste_priv_cuda_compress_args *p, sste_block *block) {
  if (p->type == SSTE_FLOAT16)
    sste_priv_cuda_compress_typed(p, block, SSTE_FLOAT16);
  else
    sste_priv_cuda_compress_typed(p, block, SSTE_BFLOAT16);
}

SSTE_BLOCKS(sste_priv_cuda_compress, SSTE_PRIV_TILE_THREADS)

/* ---- By way of shared memory --------------------------------------------- */

/* The words of a row of the tile, two codes each. As it is odd, no two lanes of
 * a warp meet in a bank when they put a column there, nor when each takes its
 * part; those that put a row there meet in pairs. */
enum { SSTE_PRIV_TILE_PITCH = 65 };

/* A float as a code, rounded once. */
SSTE_BODY uint32_t sste_priv_cuda_cast(float x, sste_type type) {
  return type == SSTE_FLOAT16 ? sste_priv_to_float16(x)
                              : sste_priv_to_bfloat16(x);
}
SSTE_BODY uint32_t sste_priv_cuda_cast2(float x, float y, sste_type type) {
  return sste_priv_cuda_cast(x, type) | sste_priv_cuda_cast(y, type) << 16;
}

/* The bits of element i of w, and what they are as a code. */
SSTE_BODY uint32_t sste_priv_cuda_element(const void *w, sste_type from,
                                          size_t i) {
#ifdef __CUDA_ARCH__
  return from == SSTE_FLOAT32 ? ((const uint32_t *)w)[i]
                              : ((const uint16_t *)w)[i];
#else
  return sste_priv_element(w, from, i);
#endif
}
SSTE_BODY uint32_t sste_priv_cuda_code(uint32_t bits, sste_type from,
                                       sste_type type) {
  return from == SSTE_FLOAT32 ? sste_priv_cuda_cast(sste_priv_float(bits), type)
                              : bits;
}

/* Floats along rows: a warp takes a row at a time, a lane a chunk. All of a few
 * is read before any is cast, so that several loads are under way. */
SSTE_BODY void sste_priv_cuda_fill_rows(uint32_t *tile,
                                        const sste_priv_cuda_compress_args *p,
                                        const sste_priv_cuda_part *first, int t,
                                        sste_type type) {
  const int lane = t % 32, warp = t / 32;
  const size_t chunk = first->chunk + (size_t)lane;
  int i, k;
  for (i = 0; i < 32; i += 16) {
    float a[4][4];
    SSTE_UNROLL
    for (k = 0; k < 4; ++k) {
      const size_t row = first->row[0] + (size_t)(i + 4 * k + warp);
      a[k][0] = a[k][1] = a[k][2] = a[k][3] = 0.0f;
      if (row < p->tiles.rows && chunk < p->tiles.chunks)
        sste_priv_cuda_load4(a[k], p->w, SSTE_FLOAT32,
                             row * p->ldw + 4 * chunk);
    }
    SSTE_UNROLL
    for (k = 0; k < 4; ++k) {
      uint32_t *to =
          tile + (i + 4 * k + warp) * SSTE_PRIV_TILE_PITCH + 2 * lane;
      to[0] = sste_priv_cuda_cast2(a[k][0], a[k][1], type);
      to[1] = sste_priv_cuda_cast2(a[k][2], a[k][3], type);
    }
  }
}

/* Either down columns: a warp takes two rows of w at a time, a lane of both the
 * column that is its row of the tile. */
SSTE_BODY void sste_priv_cuda_fill_columns(
    uint32_t *tile, const sste_priv_cuda_compress_args *p,
    const sste_priv_cuda_part *first, int t, sste_type from, sste_type type) {
  const int lane = t % 32, warp = t / 32;
  const size_t col = first->row[0] + (size_t)lane;
  int i, k;
  for (i = 0; i < 64; i += 16) {
    uint32_t bits[4][2];
    SSTE_UNROLL
    for (k = 0; k < 4; ++k) {
      const size_t row = 4 * first->chunk + 2 * (size_t)(i + 4 * k + warp);
      bits[k][0] = bits[k][1] = 0;
      if (col < p->tiles.rows && row / 4 < p->tiles.chunks) {
        bits[k][0] = sste_priv_cuda_element(p->w, from, row * p->ldw + col);
        bits[k][1] =
            sste_priv_cuda_element(p->w, from, (row + 1) * p->ldw + col);
      }
    }
    SSTE_UNROLL
    for (k = 0; k < 4; ++k)
      tile[lane * SSTE_PRIV_TILE_PITCH + i + 4 * k + warp] =
          sste_priv_cuda_code(bits[k][0], from, type) |
          sste_priv_cuda_code(bits[k][1], from, type) << 16;
  }
}

/* What a thread has of the tile. */
SSTE_BODY void sste_priv_cuda_take(uint32_t code[16], const uint32_t *tile,
                                   const sste_priv_cuda_part *at) {
  int h, i;
  SSTE_UNROLL
  for (h = 0; h < 2; ++h) {
    const uint32_t *from =
        tile + at->row[h] % 32 * SSTE_PRIV_TILE_PITCH + 2 * (at->chunk % 32);
    SSTE_UNROLL
    for (i = 0; i < 8; ++i) code[8 * h + i] = from[i];
  }
}

SSTE_BODY void sste_priv_cuda_compress_shared_typed(
    const sste_priv_cuda_compress_args *p, sste_block *block, sste_type type) {
  SSTE_SHARED uint32_t tile[32 * SSTE_PRIV_TILE_PITCH];
  const sste_priv_cuda_part first =
      sste_priv_cuda_part_of(&p->tiles, block->x, 0);
  SSTE_EACH_THREAD(t, SSTE_PRIV_TILE_THREADS) {
    if (!p->down)
      sste_priv_cuda_fill_rows(tile, p, &first, t, type);
    else if (p->from == SSTE_FLOAT32)
      sste_priv_cuda_fill_columns(tile, p, &first, t, SSTE_FLOAT32, type);
    else
      sste_priv_cuda_fill_columns(tile, p, &first, t, type, type);
  }
  SSTE_BARRIER(block);
  SSTE_EACH_THREAD(t, SSTE_PRIV_TILE_THREADS) {
    const sste_priv_cuda_part at =
        sste_priv_cuda_part_of(&p->tiles, block->x, t);
    uint32_t code[16];
    sste_priv_cuda_take(code, tile, &at);
    sste_priv_cuda_compress_part(p, &at, code, type);
  }
}

typedef sste_priv_cuda_compress_args sste_priv_cuda_compress_shared_args;

SSTE_BODY void sste_priv_cuda_compress_shared_block(
    const sste_priv_cuda_compress_args *p, sste_block *block) {
  if (p->type == SSTE_FLOAT16)
    sste_priv_cuda_compress_shared_typed(p, block, SSTE_FLOAT16);
  else
    sste_priv_cuda_compress_shared_typed(p, block, SSTE_BFLOAT16);
}

SSTE_BLOCKS(sste_priv_cuda_compress_shared, SSTE_PRIV_TILE_THREADS)

/* ---- Launchers ----------------------------------------------------------- */

/* The launchers; their promises are in sste_cuda.h. */
SSTE_CUDA_API sste_status sste_cuda_meta_bytes(size_t *bytes, size_t rows,
                                               size_t cols) {
  const sste_priv_cuda_tiles m = sste_priv_cuda_tiles_of(rows, cols);
  if (bytes == NULL) return SSTE_ERR_NULL;
  if (rows != 0 && cols % 4 != 0) return SSTE_ERR_SHAPE;
  if (m.wide != 0 && m.tall > (size_t)PTRDIFF_MAX / 4096 / m.wide)
    return SSTE_ERR_SIZE;
  *bytes = 128 * m.tall * m.wide;
  return SSTE_OK;
}

/* The arguments that compress and decompress share: a dense matrix of rows x
 * cols elements of `size` bytes, in memory perhaps its transpose, values and
 * metadata, no two of which share a byte. */
static inline sste_status sste_priv_cuda_storage(
    const void *w, size_t ldw, size_t size, int transposed, const void *values,
    size_t ldv, const uint8_t *meta, size_t rows, size_t cols, sste_type type) {
  const size_t wr = transposed ? cols : rows, wc = transposed ? rows : cols;
  size_t bytes;
  sste_status s;
  if (type != SSTE_FLOAT16 && type != SSTE_BFLOAT16) return SSTE_ERR_VALUE;
  s = sste_cuda_meta_bytes(&bytes, rows, cols);
  if (s == SSTE_OK) s = sste_priv_matrix(w, wr, wc, ldw, size);
  if (s == SSTE_OK) s = sste_priv_matrix(values, rows, cols / 2, ldv, 2);
  if (s == SSTE_OK) s = sste_priv_matrix(meta, 1, bytes, bytes, 1);
  if (s != SSTE_OK) return s;
  return sste_priv_overlap(w, wr, wc, ldw, size, values, rows, cols / 2, ldv,
                           2) ||
                 sste_priv_overlap(w, wr, wc, ldw, size, meta, 1, bytes, 0,
                                   1) ||
                 sste_priv_overlap(values, rows, cols / 2, ldv, 2, meta, 1,
                                   bytes, 0, 1)
             ? SSTE_ERR_OVERLAP
             : SSTE_OK;
}

SSTE_CUDA_API sste_status sste_cuda_compress(void *values, size_t ldv,
                                             uint8_t *meta, const void *w,
                                             size_t ldw, size_t rows,
                                             size_t cols, sste_type from,
                                             sste_type type, sste_axis axis,
                                             sste_cuda_stream stream) {
  const int down = axis == SSTE_DOWN_COLUMNS;
  const size_t r = down ? cols : rows, c = down ? rows : cols;
  sste_priv_cuda_compress_args p;
  size_t blocks;
  sste_status s;
  if ((from != SSTE_FLOAT32 && from != type) ||
      (!down && axis != SSTE_ALONG_ROWS))
    return SSTE_ERR_VALUE;
  s = sste_priv_cuda_storage(w, ldw, sste_priv_type_bytes(from), down, values,
                             ldv, meta, r, c, type);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  p.values = values;
  p.meta = meta;
  p.w = w;
  p.beta = NULL;
  p.ldv = ldv;
  p.ldw = ldw;
  p.tiles = sste_priv_cuda_tiles_of(r, c);
  p.from = from;
  p.type = type;
  p.down = down;
  blocks = p.tiles.tall * p.tiles.across;
  return down || from == SSTE_FLOAT32
             ? sste_priv_cuda_compress_shared_launch(&p, blocks, 1, stream)
             : sste_priv_cuda_compress_launch(&p, blocks, 1, stream);
}

#endif /* SSTE_CUDA_COMPRESS_CUH */
