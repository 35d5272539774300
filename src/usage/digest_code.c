/* usage/digest_code.c - the binary and the base64 form of a digest.
 *
 * Pure.  Layout, little-endian:
 *
 *   "SWUD" version:u8 form:u8 body checksum:u64 (FNV-1a of all bytes before it)
 *
 * The body holds the same numbers in the same order in two forms.  PLAIN gives each its full width,
 * so its length is constant and the bound of digest.h holds for every digest.  PACKED writes
 * numbers as base-128 varints and a run of n zero counts as 0, n: most owners have few counts.  A
 * digest is PACKED if that is shorter, else PLAIN; so each has exactly one form, and the decoder
 * refuses what the encoder would not have written by encoding its answer again. */
#include "usage/digest.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
    VERSION = 1,
    FORM_PACKED = 0,
    FORM_PLAIN = 1,
    MAGIC_BYTES = 4,
    HEAD_BYTES = MAGIC_BYTES + 2,
    CHECKSUM_BYTES = 8,
    DEMAND_COUNTS = USAGE_METRIC_COUNT * USAGE_SLOTS * USAGE_BINS,
    GROWTH_COUNTS = USAGE_AGES * USAGE_GROWTH_BINS,
    PLAIN_BYTES = 2 * 8 + USAGE_METRIC_COUNT * 8 + 4 * 4 +
                  2 * (DEMAND_COUNTS + USAGE_PEAK_BINS + GROWTH_COUNTS),
};

_Static_assert(
        HEAD_BYTES + PLAIN_BYTES + CHECKSUM_BYTES <= USAGE_DIGEST_BYTES_MAX, "every digest fits");
_Static_assert(
        (USAGE_DIGEST_BYTES_MAX + 2) / 3 * 4 <= USAGE_DIGEST_TEXT_MAX, "every digest fits as text");

static const char magic[MAGIC_BYTES] = {'S', 'W', 'U', 'D'};

/* Writes or reads one body; a number goes through the same code both ways, so that the two cannot
 * differ in their order. */
struct coder {
    uint8_t *bytes;
    size_t at, size;
    bool packed, reading;
    bool failed; /* out of space or input, or a number too large for its field */
};

static void byte_put(struct coder *c, unsigned value)
{
    if (c->at == c->size) {
        c->failed = true;
        return;
    }
    c->bytes[c->at++] = (uint8_t)value;
}

static unsigned byte_get(struct coder *c)
{
    if (c->at == c->size) {
        c->failed = true;
        return 0;
    }
    return c->bytes[c->at++];
}

static void varint_put(struct coder *c, uint64_t value)
{
    for (; value >= 128; value >>= 7)
        byte_put(c, (unsigned)(value & 127) | 128);
    byte_put(c, (unsigned)value);
}

static uint64_t varint_get(struct coder *c, uint64_t max)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        unsigned byte = byte_get(c);
        uint64_t part = byte & 127;
        if (part << shift >> shift != part)
            break;
        value |= part << shift;
        if (!(byte & 128)) {
            if (value <= max)
                return value;
            break;
        }
    }
    c->failed = true;
    return 0;
}

static void fixed_put(struct coder *c, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        byte_put(c, (unsigned)(value >> 8 * i & 255));
}

static uint64_t fixed_get(struct coder *c, unsigned width)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < width; i++)
        value |= (uint64_t)byte_get(c) << 8 * i;
    return value;
}

/* One number of `width` bytes. */
static uint64_t code_number(struct coder *c, uint64_t value, unsigned width)
{
    uint64_t max = width == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * width) - 1;
    assert(c->reading || value <= max);
    if (c->reading)
        return c->packed ? varint_get(c, max) : fixed_get(c, width);
    if (c->packed) {
        varint_put(c, value);
    } else {
        fixed_put(c, value, width);
    }
    return value;
}

static void code_u64(struct coder *c, uint64_t *value)
{
    *value = code_number(c, *value, 8);
}

static void code_u32(struct coder *c, uint32_t *value)
{
    *value = (uint32_t)code_number(c, *value, 4);
}

/* Times lie far from 0 both in packed and in plain form: always 8 bytes. */
static void code_time(struct coder *c, int64_t *value)
{
    if (c->reading) {
        *value = (int64_t)fixed_get(c, 8);
    } else {
        fixed_put(c, (uint64_t)*value, 8);
    }
}

static void counts_pack(struct coder *c, const uint16_t *counts, size_t count)
{
    for (size_t i = 0; i < count && !c->failed;) {
        size_t run = 0;
        while (i + run < count && counts[i + run] == 0)
            run++;
        if (run > 0) {
            varint_put(c, 0);
            varint_put(c, run);
            i += run;
        } else {
            varint_put(c, counts[i++]);
        }
    }
}

static void counts_unpack(struct coder *c, uint16_t *counts, size_t count)
{
    for (size_t i = 0; i < count && !c->failed;) {
        uint64_t value = varint_get(c, UINT16_MAX);
        size_t run = value == 0 ? varint_get(c, count - i) : 1;
        if (run == 0)
            c->failed = true;
        for (size_t end = i + run; i < end; i++)
            counts[i] = (uint16_t)value;
    }
}

static void code_counts(struct coder *c, uint16_t *counts, size_t count)
{
    if (c->packed && c->reading) {
        counts_unpack(c, counts, count);
    } else if (c->packed) {
        counts_pack(c, counts, count);
    } else {
        for (size_t i = 0; i < count; i++)
            counts[i] = (uint16_t)code_number(c, counts[i], 2);
    }
}

static void code_body(struct coder *c, struct usage_digest *d)
{
    code_time(c, &d->first_wall_ns);
    code_time(c, &d->last_wall_ns);
    for (unsigned m = 0; m < USAGE_METRIC_COUNT; m++)
        code_u64(c, &d->weight[m]);
    code_u32(c, &d->memory.pods);
    code_u32(c, &d->memory.pods_flat);
    code_u32(c, &d->memory.pods_aged);
    code_u32(c, &d->memory.peak_max_mib);
    code_counts(c, &d->counts[0][0][0], DEMAND_COUNTS);
    code_counts(c, d->memory.peaks, USAGE_PEAK_BINS);
    code_counts(c, &d->memory.growth[0][0], GROWTH_COUNTS);
}

/* The whole form into bytes[USAGE_DIGEST_BYTES_MAX]; returns its length. */
static size_t encode(const struct usage_digest *d, uint8_t *bytes)
{
    struct usage_digest copy = *d; /* the coder takes what it writes by pointer */
    struct coder c = {.bytes = bytes, .at = HEAD_BYTES, .packed = true};

    memcpy(bytes, magic, MAGIC_BYTES);
    bytes[MAGIC_BYTES] = VERSION;
    c.size = HEAD_BYTES + PLAIN_BYTES - 1;
    code_body(&c, &copy);
    if (c.failed) {
        c = (struct coder){.bytes = bytes, .at = HEAD_BYTES, .size = HEAD_BYTES + PLAIN_BYTES};
        code_body(&c, &copy);
    }
    assert(!c.failed);
    bytes[MAGIC_BYTES + 1] = c.packed ? FORM_PACKED : FORM_PLAIN;

    uint64_t checksum = str_hash((struct str){(const char *)bytes, c.at}, 0);
    c.size = USAGE_DIGEST_BYTES_MAX;
    fixed_put(&c, checksum, CHECKSUM_BYTES);
    return c.at;
}

void usage_digest_encode(const struct usage_digest *d, struct buf *out)
{
    uint8_t bytes[USAGE_DIGEST_BYTES_MAX];
    size_t len = encode(d, bytes);
    buf_put(out, (struct str){(const char *)bytes, len});
}

/* What counting and merging keep true; a digest that breaks it was not made by them. */
static int check_sane(const struct usage_digest *d, struct err *reterr)
{
    const struct usage_memory *memory = &d->memory;
    if (d->first_wall_ns > d->last_wall_ns)
        return err_set(reterr, -EINVAL, "digest ends before it begins");
    for (unsigned m = 0; m < USAGE_METRIC_COUNT; m++) {
        struct usage_histogram h;
        usage_digest_all(d, (enum usage_metric)m, &h);
        if (h.total > d->weight[m] || (h.total == 0) != (d->weight[m] == 0))
            return err_set(reterr, -EINVAL, "digest counts more than its weight");
    }
    if (memory->pods_flat > memory->pods_aged || memory->pods_aged > memory->pods)
        return err_set(reterr, -EINVAL, "digest has more flat or aged pods than pods");
    if (memory->peak_max_mib > USAGE_MEMORY_MIB_MAX) {
        return err_set(reterr, -EINVAL, "digest has a memory peak of %u MiB, expected at most %d",
                (unsigned)memory->peak_max_mib, USAGE_MEMORY_MIB_MAX);
    }
    return 0;
}

static int check_frame(struct str bytes, struct err *reterr)
{
    if (bytes.len < HEAD_BYTES + CHECKSUM_BYTES || bytes.len > USAGE_DIGEST_BYTES_MAX) {
        return err_set(reterr, -EINVAL, "digest of %zu bytes, expected %d to %d", bytes.len,
                HEAD_BYTES + CHECKSUM_BYTES, USAGE_DIGEST_BYTES_MAX);
    }
    if (memcmp(bytes.ptr, magic, MAGIC_BYTES) != 0)
        return err_set(reterr, -EINVAL, "digest does not begin with SWUD");
    unsigned version = (unsigned char)bytes.ptr[MAGIC_BYTES];
    if (version != VERSION)
        return err_set(reterr, -ENOTSUP, "digest of version %u, expected %d", version, VERSION);

    struct str body = {bytes.ptr, bytes.len - CHECKSUM_BYTES};
    uint64_t checksum = 0;
    for (unsigned i = 0; i < CHECKSUM_BYTES; i++)
        checksum |= (uint64_t)(unsigned char)bytes.ptr[body.len + i] << 8 * i;
    if (checksum != str_hash(body, 0))
        return err_set(reterr, -EINVAL, "digest does not match its checksum");
    return 0;
}

int usage_digest_decode(struct str bytes, struct usage_digest *ret_digest, struct err *reterr)
{
    struct usage_digest d = {.first_wall_ns = 0};
    uint8_t copy[USAGE_DIGEST_BYTES_MAX];
    uint8_t again[USAGE_DIGEST_BYTES_MAX];

    int r = check_frame(bytes, reterr);
    if (r < 0)
        return r;
    unsigned form = (unsigned char)bytes.ptr[MAGIC_BYTES + 1];
    if (form != FORM_PACKED && form != FORM_PLAIN)
        return err_set(reterr, -EINVAL, "digest of form %u, expected 0 or 1", form);

    memcpy(copy, bytes.ptr, bytes.len);
    struct coder c = {.bytes = copy,
            .at = HEAD_BYTES,
            .size = bytes.len - CHECKSUM_BYTES,
            .packed = form == FORM_PACKED,
            .reading = true};
    code_body(&c, &d);
    if (c.failed || c.at != c.size) {
        return err_set_at(
                reterr, -EINVAL, (uint32_t)c.at, "digest has a body of the wrong length or range");
    }
    r = check_sane(&d, reterr);
    if (r < 0)
        return r;
    if (encode(&d, again) != bytes.len || memcmp(again, bytes.ptr, bytes.len) != 0)
        return err_set(reterr, -EINVAL, "digest is not in its canonical form");
    *ret_digest = d;
    return 0;
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void usage_digest_format(const struct usage_digest *d, struct buf *out)
{
    uint8_t bytes[USAGE_DIGEST_BYTES_MAX];
    char text[USAGE_DIGEST_TEXT_MAX];
    size_t len = encode(d, bytes);
    size_t at = 0;

    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t word = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                        (left > 2 ? bytes[i + 2] : 0);
        text[at++] = base64[word >> 18];
        text[at++] = base64[word >> 12 & 63];
        text[at++] = left > 1 ? base64[word >> 6 & 63] : '=';
        text[at++] = left > 2 ? base64[word & 63] : '=';
    }
    buf_put(out, (struct str){text, at});
}

/* The six bits of one character, or -1. */
static int digit_of(char c)
{
    const char *found = c != '\0' ? strchr(base64, c) : NULL;
    return found != NULL ? (int)(found - base64) : -1;
}

int usage_digest_parse(struct str text, struct usage_digest *ret_digest, struct err *reterr)
{
    uint8_t bytes[USAGE_DIGEST_TEXT_MAX / 4 * 3] = {0};
    size_t len = 0;

    if (text.len == 0 || text.len % 4 != 0 || text.len > USAGE_DIGEST_TEXT_MAX) {
        return err_set(reterr, -EINVAL, "digest text of %zu characters, expected 4 to %d by fours",
                text.len, USAGE_DIGEST_TEXT_MAX);
    }
    size_t digits = text.len;
    while (digits > text.len - 2 && text.ptr[digits - 1] == '=')
        digits--;

    uint32_t word = 0;
    for (size_t i = 0; i < digits; i++) {
        int digit = digit_of(text.ptr[i]);
        if (digit < 0)
            return err_set_at(reterr, -EINVAL, (uint32_t)i, "digest text is not base64");
        word = word << 6 | (uint32_t)digit;
        if (i % 4 != 0)
            bytes[len++] = (uint8_t)(word >> (6 - 2 * (i % 4)) & 255);
    }
    /* Bits after the last whole byte: 4 with two '=', 2 with one. */
    size_t padding = text.len - digits;
    if ((word & ((1u << 2 * padding) - 1)) != 0) {
        return err_set_at(
                reterr, -EINVAL, (uint32_t)digits, "digest text ends in bits that are not 0");
    }
    return usage_digest_decode((struct str){(const char *)bytes, len}, ret_digest, reterr);
}
