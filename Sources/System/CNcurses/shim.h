#pragma once
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

// Most of curses' functions are macros over a global window, and Swift's Glibc has no FILE that is safe to share.

static const unsigned slm_curses_bold = A_BOLD;
static const unsigned slm_curses_dim = A_DIM;
static const unsigned slm_curses_reverse = A_REVERSE;
static const unsigned slm_curses_underline = A_UNDERLINE;

/// Makes wide characters work also if the environment names no UTF-8 locale, as over SSH.
static inline void slm_curses_use_utf8(void) {
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
}

/// The keys that stand for the beginning and the end of pasted text: above those that curses gives to keys without names.
static const int slm_curses_paste_begin = KEY_MAX + 1001;
static const int slm_curses_paste_end = KEY_MAX + 1002;

/// Makes terminals mark pasted text (bracketed paste). Others ignore it.
static inline void slm_curses_mark_pastes(int isOn) {
    fputs(isOn ? "\033[?2004h" : "\033[?2004l", stdout);
    fflush(stdout);
}

/// Starts curses on standard input and output. Returns 0 if the type of the terminal is unknown or it cannot move the cursor.
static inline int slm_curses_open(void) {
    SCREEN *screen = newterm(NULL, stdout, stdin);
    if (screen == NULL) return 0;
    const char *cup = tigetstr("cup");
    if (cup == NULL || cup == (const char *)-1) {
        endwin();
        delscreen(screen);
        return 0;
    }
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(25);
    curs_set(0);
    // Terminals send more than their description says, above all inside of others.
    define_key("\033[1~", KEY_HOME);
    define_key("\033[7~", KEY_HOME);
    define_key("\033[H", KEY_HOME);
    define_key("\033OH", KEY_HOME);
    define_key("\033[4~", KEY_END);
    define_key("\033[8~", KEY_END);
    define_key("\033[F", KEY_END);
    define_key("\033OF", KEY_END);
    define_key("\033[A", KEY_UP);
    define_key("\033OA", KEY_UP);
    define_key("\033[B", KEY_DOWN);
    define_key("\033OB", KEY_DOWN);
    define_key("\033[C", KEY_RIGHT);
    define_key("\033OC", KEY_RIGHT);
    define_key("\033[D", KEY_LEFT);
    define_key("\033OD", KEY_LEFT);
    define_key("\033[5~", KEY_PPAGE);
    define_key("\033[6~", KEY_NPAGE);
    define_key("\033[Z", KEY_BTAB);
    define_key("\033[200~", slm_curses_paste_begin);
    define_key("\033[201~", slm_curses_paste_end);
    slm_curses_mark_pastes(1);
    return 1;
}

/// Leaves the alternate screen and restores the modes of the terminal.
static inline void slm_curses_close(void) {
    slm_curses_mark_pastes(0);
    endwin();
}

/// Continues after slm_curses_close, and redraws everything.
static inline void slm_curses_resume(void) {
    reset_prog_mode();
    slm_curses_mark_pastes(1);
    clearok(curscr, TRUE);
    refresh();
}

static inline void slm_curses_clear(void) { clearok(curscr, TRUE); }
static inline void slm_curses_erase(void) { erase(); }
static inline void slm_curses_update(void) { refresh(); }
static inline void slm_curses_resize(int rows, int columns) { resizeterm(rows, columns); }
static inline void slm_curses_bell(void) { beep(); }

/// Places the cursor and shows it, or hides it if the row is negative.
static inline void slm_curses_cursor(int row, int column) {
    curs_set(row >= 0);
    if (row >= 0) move(row, column);
}

/// Prepares colours on the terminal's own background. Returns 0 if there are none.
static inline int slm_curses_start_colors(void) {
    if (!has_colors() || start_color() == ERR) return 0;
    use_default_colors();
    return 1;
}
static inline void slm_curses_set_pair(int pair, int foreground, int background) {
    init_pair((short)pair, (short)foreground, (short)background);
}

/// Puts a character, with its combining marks, into a cell. The text ends with 0.
static inline void slm_curses_put(int row, int column, const wchar_t *text, unsigned attributes, int pair) {
    cchar_t cell;
    if (setcchar(&cell, text, attributes, (short)pair, NULL) == OK) mvadd_wch(row, column, &cell);
}

/// The columns that curses gives a character; -1 if it does not know it.
static inline int slm_curses_width(wchar_t character) { return wcwidth(character); }

/// Reads without waiting: 0 for nothing, 1 for a character, 2 for a key such as KEY_UP.
static inline int slm_curses_read(unsigned *code) {
    wint_t character = 0;
    int result = get_wch(&character);
    *code = character;
    return result == ERR ? 0 : result == KEY_CODE_YES ? 2 : 1;
}

static inline void slm_curses_use_mouse(int isOn) {
    mouseinterval(0);
    mousemask(isOn ? BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED : 0, NULL);
}

/// The event behind KEY_MOUSE: 1 for the left button, 4 and 5 for the wheel, else 0.
static inline int slm_curses_mouse(int *row, int *column) {
    MEVENT event;
    if (getmouse(&event) != OK) return 0;
    *row = event.y;
    *column = event.x;
    return event.bstate & BUTTON1_PRESSED ? 1 : event.bstate & BUTTON4_PRESSED ? 4 : event.bstate & BUTTON5_PRESSED ? 5 : 0;
}
