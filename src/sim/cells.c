/* sim/cells.c - reads the list of cells of the fault table that cannot be.  Pure. */
#include "sim/sim.h"

#include <errno.h>
#include <string.h>

typedef const char *name_fn(int value);

static const char *step_text(int value)
{
    return core_step_name((enum core_step_kind)value);
}

static const char *state_text(int value)
{
    return core_rollout_state_name((enum core_rollout_state)value);
}

static const char *fault_text(int value)
{
    return sim_fault_name((enum sim_fault)value);
}

static bool matches(struct str pattern, const char *name)
{
    bool open = pattern.len > 0 && pattern.ptr[pattern.len - 1] == '*';
    struct str start = {pattern.ptr, pattern.len - open};
    return open ? str_starts(str_from(name), start) : str_eq_c(pattern, name);
}

/* Sets the bits of the names that a comma-separated list means; false when an item means none. */
static bool read_names(struct str list, name_fn *name, int count, uint32_t *ret_bits)
{
    struct str pattern;
    *ret_bits = 0;
    while (str_split(&list, ',', &pattern)) {
        uint32_t bits = 0;
        for (int i = 0; i < count; i++)
            bits |= matches(pattern, name(i)) ? 1u << i : 0;
        if (bits == 0)
            return false;
        *ret_bits |= bits;
    }
    return *ret_bits != 0;
}

/* The next word of a line, without the blanks before it. */
static struct str next_word(struct str *line)
{
    *line = str_trim(*line);
    size_t len = 0;
    while (len < line->len && line->ptr[len] != ' ')
        len++;
    struct str word = {line->ptr, len};
    *line = (struct str){line->ptr + len, line->len - len};
    return word;
}

static int read_line(struct str line, unsigned number, struct sim_cells *cells, struct err *reterr)
{
    uint32_t steps, states, faults;
    struct str word = next_word(&line);
    if (!read_names(word, step_text, CORE_STEP_COUNT, &steps)) {
        return err_set(
                reterr, -EINVAL, "line %u: '%.*s': expected names of steps", number, STR_ARG(word));
    }
    word = next_word(&line);
    if (!read_names(word, state_text, CORE_ROLLOUT_STATE_COUNT, &states)) {
        return err_set(reterr, -EINVAL, "line %u: '%.*s': expected names of rollout states", number,
                STR_ARG(word));
    }
    word = next_word(&line);
    if (!read_names(word, fault_text, SIM_FAULT_COUNT, &faults)) {
        return err_set(reterr, -EINVAL, "line %u: '%.*s': expected names of faults", number,
                STR_ARG(word));
    }
    if (str_trim(line).len == 0)
        return err_set(reterr, -EINVAL, "line %u: expected the reason", number);
    for (unsigned s = 0; s < CORE_STEP_COUNT; s++) {
        for (unsigned r = 0; r < CORE_ROLLOUT_STATE_COUNT; r++) {
            for (unsigned f = 0; f < SIM_FAULT_COUNT; f++) {
                if (steps >> s & states >> r & faults >> f & 1)
                    cells->unreachable[s][r][f] = true;
            }
        }
    }
    return 0;
}

int sim_cells_parse(struct str text, struct sim_cells *ret_cells, struct err *reterr)
{
    struct sim_cells cells;
    struct str line;
    memset(&cells, 0, sizeof cells);
    for (unsigned number = 1; str_split(&text, '\n', &line); number++) {
        line = str_trim(line);
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        int rc = read_line(line, number, &cells, reterr);
        if (rc != 0)
            return rc;
    }
    *ret_cells = cells;
    return 0;
}
