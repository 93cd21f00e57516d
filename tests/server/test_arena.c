#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/arena.h"
#include "tests/support/fail_alloc.h"

static void pieces_are_apart_and_aligned(void **state)
{
    (void)state;
    struct arena arena = {0};
    uint8_t *before = NULL;
    for (size_t size = 0; size < 5000; size += 7) {
        uint8_t *piece = arena_alloc(&arena, size);
        assert_non_null(piece);
        assert_int_equal((uintptr_t)piece % _Alignof(max_align_t), 0);
        memset(piece, 0xff, size);
        if (before != NULL && size >= 14) {
            assert_int_equal(before[0], 0xff);
        }
        before = piece;
    }
    assert_true(arena.bytes > 1000000);
    uint8_t *zeroed = arena_zero(&arena, 100);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(zeroed[i], 0);
    }
    arena_free(&arena);
}

static void large_pieces_have_chunks_of_their_own(void **state)
{
    (void)state;
    struct arena arena = {0};
    uint8_t *large = arena_alloc(&arena, 1 << 20);
    uint8_t *small = arena_alloc(&arena, 10);
    assert_non_null(large);
    memset(large, 1, 1 << 20);
    memset(small, 2, 10);
    assert_int_equal(large[(1 << 20) - 1], 1);
    arena_reset(&arena);
    assert_int_equal(arena.bytes, 0);
    assert_non_null(arena_alloc(&arena, 10));
    arena_free(&arena);
    assert_null(arena.chunks);
}

static void copies(void **state)
{
    (void)state;
    struct arena arena = {0};
    char text[] = "hello";
    struct span copy = {0};
    assert_true(arena_copy(&arena, span_str(text), &copy));
    const char *words = arena_text(&arena, text);
    memset(text, 'x', 5);
    assert_true(span_equal(copy, SPAN_LITERAL("hello")));
    assert_string_equal(words, "hello");
    assert_true(arena_copy(&arena, SPAN_LITERAL(""), &copy));
    assert_int_equal(copy.size, 0);
    arena_free(&arena);
}

/* How many chunks are kept for the next use: at least one, then as many as are wanted. */
static void chunks_are_kept(void **state)
{
    (void)state;
    for (size_t wanted = 0; wanted <= 4; wanted++) {
        struct arena arena = {.keep_bytes = wanted << 16};
        size_t kept = wanted == 0 ? 1 : wanted;
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < 6; i++) {
                assert_non_null(arena_alloc(&arena, 60000));
            }
            assert_non_null(arena_alloc(&arena, 1 << 20)); /* is never kept */
            arena_reset(&arena);
            assert_int_equal(arena.bytes, 0);
        }
        fail_alloc_at(1);
        for (size_t i = 0; i < kept; i++) {
            assert_non_null(arena_alloc(&arena, 60000));
        }
        assert_null(arena_alloc(&arena, 60000));
        assert_true(fail_alloc_stop());
        arena_free(&arena);
    }
}

static void without_memory(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct span copy = {0};
    fail_alloc_at(1);
    assert_null(arena_alloc(&arena, 10));
    assert_true(fail_alloc_stop());
    fail_alloc_at(1);
    assert_false(arena_copy(&arena, SPAN_LITERAL("a"), &copy));
    assert_true(fail_alloc_stop());
    fail_alloc_at(1);
    assert_string_equal(arena_text(&arena, "a"), "");
    assert_true(fail_alloc_stop());
    fail_alloc_at(1);
    assert_null(arena_zero(&arena, 10));
    assert_true(fail_alloc_stop());
    assert_non_null(arena_alloc(&arena, 10));
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_apart_and_aligned),
        cmocka_unit_test(large_pieces_have_chunks_of_their_own),
        cmocka_unit_test(copies),
        cmocka_unit_test(chunks_are_kept),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
