/* Recordings: any bytes are refused with one line, or are steps that a core takes without harm,
 * twice with the same digest. */
#include "core/replay.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS_MAX = 64 };

static uint64_t replay(struct str text)
{
    struct arena *a = arena_new(256 << 20);
    struct core_recording_header header;
    struct str line;
    struct err e = {0};
    uint64_t digest = 0;
    if (!str_split(&text, '\n', &line) || core_recording_header_parse(a, line, &header, &e) < 0) {
        (void)arena_free(a);
        return 0;
    }
    struct core_replay *r = core_replay_new(&header);
    for (int i = 0; i < STEPS_MAX && str_split(&text, '\n', &line); i++) {
        struct core_recording_step step;
        struct core_output output;
        struct core_replay_verdict verdict;
        if (core_recording_step_parse(a, line, &step, &e) < 0) {
            assert(e.code < 0 && e.text[0] != '\0' && !strchr(e.text, '\n'));
            break;
        }
        core_replay_step(r, &step, &output, &verdict);
        digest = core_digest(core_replay_core(r));
    }
    (void)core_replay_free(r);
    (void)arena_free(a);
    return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    uint64_t first = replay(text);
    uint64_t second = replay(text);
    assert(first == second);
    return 0;
}
