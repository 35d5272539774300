/* cel/lex.c - tokens of CEL, and what string literals mean.
 *
 * Pure.  Source: the grammar CEL.g4 and parser/unescape.go of cel-go 0.29. */
#include "cel/lex-priv.h"

#include <errno.h>
#include <string.h>

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The byte at `at`, NUL past the end (a NUL inside is no token anyway). */
static char byte_at(struct str s, size_t at)
{
    return at < s.len ? s.ptr[at] : '\0';
}

static uint32_t skip_blanks(struct str s, uint32_t at)
{
    for (;;) {
        char c = byte_at(s, at);
        if (at < s.len && (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f')) {
            at++;
        } else if (c == '/' && byte_at(s, at + 1) == '/') {
            while (at < s.len && s.ptr[at] != '\n')
                at++;
        } else {
            return at;
        }
    }
}

/* The end of the digits from `at`. */
static size_t digits_end(struct str s, size_t at)
{
    while (is_digit(byte_at(s, at)))
        at++;
    return at;
}

/* The end of an exponent at `at`, or `at` when there is none. */
static size_t exponent_end(struct str s, size_t at)
{
    if (byte_at(s, at) != 'e' && byte_at(s, at) != 'E')
        return at;
    size_t digits = at + 1;
    if (byte_at(s, digits) == '+' || byte_at(s, digits) == '-')
        digits++;
    size_t end = digits_end(s, digits);
    return end > digits ? end : at;
}

static size_t lex_number(struct str s, size_t at, int *ret_kind)
{
    *ret_kind = CEL_TOKEN_INT;
    if (s.ptr[at] == '0' && byte_at(s, at + 1) == 'x' && hex_value(byte_at(s, at + 2)) >= 0) {
        at += 2;
        while (hex_value(byte_at(s, at)) >= 0)
            at++;
    } else {
        size_t end = digits_end(s, at);
        if (byte_at(s, end) == '.' && is_digit(byte_at(s, end + 1))) {
            *ret_kind = CEL_TOKEN_DOUBLE;
            end = digits_end(s, end + 1);
        }
        size_t after = exponent_end(s, end);
        if (after > end)
            *ret_kind = CEL_TOKEN_DOUBLE;
        if (*ret_kind == CEL_TOKEN_DOUBLE)
            return after;
        at = end;
    }
    if (byte_at(s, at) == 'u' || byte_at(s, at) == 'U') {
        *ret_kind = CEL_TOKEN_UINT;
        at++;
    }
    return at;
}

/* Bytes of the escape sequence at the backslash `at`; 0 when it is none. */
static size_t escape_length(struct str s, size_t at)
{
    char c = byte_at(s, at + 1);
    if (c != '\0' && strchr("abfnrtv\"'\\?`", c) != NULL)
        return 2;
    size_t hex = c == 'x' || c == 'X' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (hex > 0) {
        for (size_t i = 0; i < hex; i++) {
            if (hex_value(byte_at(s, at + 2 + i)) < 0)
                return 0;
        }
        return 2 + hex;
    }
    bool octal = c >= '0' && c <= '3';
    for (size_t i = 2; i < 4; i++)
        octal = octal && byte_at(s, at + i) >= '0' && byte_at(s, at + i) <= '7';
    return octal ? 4 : 0;
}

/* The end of the string whose quotes begin at `at`; 0 when it does not end. */
static size_t lex_quoted(struct str s, size_t at, bool raw)
{
    char quote = s.ptr[at];
    bool triple = byte_at(s, at + 1) == quote && byte_at(s, at + 2) == quote;
    size_t i = at + (triple ? 3 : 1);
    while (i < s.len) {
        char c = s.ptr[i];
        if (c == quote && (!triple || (byte_at(s, i + 1) == quote && byte_at(s, i + 2) == quote)))
            return i + (triple ? 3 : 1);
        if (!triple && (c == '\n' || c == '\r'))
            break;
        size_t step = 1;
        if (c == '\\' && !raw)
            step = escape_length(s, i);
        if (step == 0)
            break;
        i += step;
    }
    /* An opened triple quote that does not end may still be an empty string and then a quote. */
    return triple ? at + 2 : 0;
}

/* A string or bytes literal at `at`, prefixes included; 0 when there is none. */
static size_t lex_string(struct str s, size_t at, int *ret_kind)
{
    size_t i = at;
    bool raw = false;
    *ret_kind = CEL_TOKEN_STRING;
    if (s.ptr[i] == 'b' || s.ptr[i] == 'B') {
        *ret_kind = CEL_TOKEN_BYTES;
        i++;
    }
    if (byte_at(s, i) == 'r' || byte_at(s, i) == 'R') {
        raw = true;
        i++;
    }
    if (byte_at(s, i) != '"' && byte_at(s, i) != '\'')
        return 0;
    return lex_quoted(s, i, raw);
}

static size_t lex_escaped_ident(struct str s, size_t at)
{
    size_t i = at + 1;
    while (is_letter(byte_at(s, i)) || is_digit(byte_at(s, i)) ||
            (i < s.len && strchr(".-/ ", (unsigned char)s.ptr[i]) != NULL && s.ptr[i] != '\0'))
        i++;
    return i > at + 1 && byte_at(s, i) == '`' ? i + 1 : 0;
}

static int keyword(struct str text)
{
    static const struct {
        const char *name;
        int kind;
    } words[] = {
            {"true", CEL_TOKEN_TRUE},
            {"false", CEL_TOKEN_FALSE},
            {"null", CEL_TOKEN_NULL},
            {"in", CEL_TOKEN_IN},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (str_eq_c(text, words[i].name))
            return words[i].kind;
    }
    return CEL_TOKEN_IDENT;
}

static size_t lex_operator(struct str s, size_t at, int *ret_kind)
{
    static const struct {
        char text[3];
        int kind;
    } pairs[] = {
            {"==", CEL_TOKEN_EQ},
            {"!=", CEL_TOKEN_NE},
            {"<=", CEL_TOKEN_LE},
            {">=", CEL_TOKEN_GE},
            {"&&", CEL_TOKEN_AND},
            {"||", CEL_TOKEN_OR},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (s.ptr[at] == pairs[i].text[0] && byte_at(s, at + 1) == pairs[i].text[1]) {
            *ret_kind = pairs[i].kind;
            return at + 2;
        }
    }
    if (s.ptr[at] != '\0' && strchr("<>[]{}().,-!?:+*/%", s.ptr[at]) != NULL) {
        *ret_kind = (unsigned char)s.ptr[at];
        return at + 1;
    }
    return 0;
}

int cel_lex(struct str source, uint32_t at, struct cel_token *ret_token, struct err *reterr)
{
    at = skip_blanks(source, at);
    if (at >= source.len) {
        *ret_token = (struct cel_token){CEL_TOKEN_END, at, {source.ptr + source.len, 0}};
        return 0;
    }
    char c = source.ptr[at];
    int kind = 0;
    size_t end = 0;
    if (strchr("\"'bBrR", c) != NULL && c != '\0')
        end = lex_string(source, at, &kind);
    if (end != 0) {
        /* done */
    } else if (is_letter(c)) {
        for (end = at; is_letter(byte_at(source, end)) || is_digit(byte_at(source, end));)
            end++;
        kind = keyword((struct str){source.ptr + at, end - at});
    } else if (is_digit(c)) {
        end = lex_number(source, at, &kind);
    } else if (c == '.' && is_digit(byte_at(source, at + 1))) {
        kind = CEL_TOKEN_DOUBLE;
        end = exponent_end(source, digits_end(source, at + 1));
    } else if (c == '`') {
        kind = CEL_TOKEN_ESCAPED;
        end = lex_escaped_ident(source, at);
    } else {
        end = lex_operator(source, at, &kind);
    }
    if (end == 0) {
        return err_set_at(reterr, -EINVAL, at, "Syntax error: token recognition error at: '%c'",
                c >= ' ' && c < 127 ? c : '?');
    }
    *ret_token = (struct cel_token){kind, at, {source.ptr + at, end - at}};
    return 0;
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* Writes what the escape at text.ptr[*at] means; false when it means nothing. */
static bool unescape(struct str text, size_t *at, bool bytes, char *out, size_t *ret_len)
{
    static const char simple[] = "abfnrtv\"'\\?`";
    static const char meaning[] = "\a\b\f\n\r\t\v\"'\\?`";
    size_t length = escape_length(text, *at);
    if (length == 0)
        return false;
    char c = text.ptr[*at + 1];
    const char *found = strchr(simple, c);
    if (found != NULL) {
        *at += length;
        out[0] = meaning[found - simple];
        *ret_len = 1;
        return true;
    }
    bool octal = is_digit(c);
    uint32_t value = 0;
    for (size_t i = octal ? 1 : 2; i < length; i++)
        value = value * (octal ? 8 : 16) + (uint32_t)hex_value(text.ptr[*at + i]);
    *at += length;
    if (bytes) {
        out[0] = (char)value;
        *ret_len = 1;
        return !(c == 'u' || c == 'U');
    }
    if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return false;
    *ret_len = put_utf8(out, value);
    return true;
}

int cel_unquote(
        struct arena *a, const struct cel_token *token, struct str *ret_value, struct err *reterr)
{
    struct str s = token->text;
    bool bytes = token->kind == CEL_TOKEN_BYTES;
    bool raw = false;
    if (bytes)
        s = (struct str){s.ptr + 1, s.len - 1};
    if (s.ptr[0] == 'r' || s.ptr[0] == 'R') {
        raw = true;
        s = (struct str){s.ptr + 1, s.len - 1};
    }
    size_t quotes = s.len >= 6 && s.ptr[1] == s.ptr[0] && s.ptr[2] == s.ptr[0] ? 3 : 1;
    s = (struct str){s.ptr + quotes, s.len - 2 * quotes};

    char *out = ARENA_ARRAY(a, char, s.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < s.len;) {
        if (s.ptr[i] == '\r') { /* every line ends in \n */
            out[len++] = '\n';
            i += byte_at(s, i + 1) == '\n' ? 2 : 1;
        } else if (s.ptr[i] == '\\' && !raw) {
            size_t wrote = 0;
            if (!unescape(s, &i, bytes, out + len, &wrote)) {
                return err_set_at(reterr, -EINVAL, token->at,
                        "unable to unescape the string: bad escape sequence");
            }
            len += wrote;
        } else {
            out[len++] = s.ptr[i++];
        }
    }
    *ret_value = (struct str){out, len};
    return 0;
}
