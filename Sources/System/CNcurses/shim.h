// The functions of ncurses that slm uses. Only `slm admin` needs it, so it is opened with dlopen on demand
// (Dashboard/Screen/CursesScreen.swift).
#pragma once
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <dlfcn.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define SLM_CURSES_FUNCTIONS(USE) \
    USE(newterm) USE(delscreen) USE(endwin) USE(reset_prog_mode) USE(tigetstr) USE(cbreak) USE(noecho) USE(nonl) USE(keypad) USE(nodelay) \
    USE(set_escdelay) USE(define_key) USE(curs_set) USE(clearok) USE(werase) USE(wrefresh) USE(wmove) USE(resizeterm) \
    USE(has_colors) USE(start_color) USE(use_default_colors) USE(init_pair) USE(setcchar) USE(wadd_wch) USE(wget_wch) \
    USE(mouseinterval) USE(mousemask) USE(getmouse)

typedef struct {
#define USE(name) __typeof__(&name) name##_;          // with an underscore, because many names are macros, too
    SLM_CURSES_FUNCTIONS(USE)
#undef USE
    WINDOW **window, **screen;                         // stdscr and curscr
} slm_curses_functions;

#define SLM_CURSES_QUOTED(x) #x
#define SLM_CURSES_FILE(major) "libncursesw.so." SLM_CURSES_QUOTED(major)
/// The file name of the library, with the major version of the header used at build time.
static inline const char *slm_curses_file(void) { return SLM_CURSES_FILE(NCURSES_VERSION_MAJOR); }

/// Looks up all functions. Returns the name of the first one that is missing, or NULL.
static inline const char *slm_curses_find(void *library, slm_curses_functions *found) {
#define USE(name) if (!(found->name##_ = (__typeof__(&name))dlsym(library, #name))) return #name;
    SLM_CURSES_FUNCTIONS(USE)
#undef USE
    if (!(found->window = (WINDOW **)dlsym(library, "stdscr"))) return "stdscr";
    if (!(found->screen = (WINDOW **)dlsym(library, "curscr"))) return "curscr";
    return NULL;
}

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
static inline int slm_curses_open(slm_curses_functions c) {
    SCREEN *screen = c.newterm_(NULL, stdout, stdin);
    if (screen == NULL) return 0;
    const char *cup = c.tigetstr_("cup");
    if (cup == NULL || cup == (const char *)-1) {
        c.endwin_();
        c.delscreen_(screen);
        return 0;
    }
    c.cbreak_();
    c.noecho_();
    c.nonl_();
    c.keypad_(*c.window, TRUE);
    c.nodelay_(*c.window, TRUE);
    c.set_escdelay_(25);
    c.curs_set_(0);
    // Terminals send more than their description says, above all inside of others.
    c.define_key_("\033[1~", KEY_HOME);
    c.define_key_("\033[7~", KEY_HOME);
    c.define_key_("\033[H", KEY_HOME);
    c.define_key_("\033OH", KEY_HOME);
    c.define_key_("\033[4~", KEY_END);
    c.define_key_("\033[8~", KEY_END);
    c.define_key_("\033[F", KEY_END);
    c.define_key_("\033OF", KEY_END);
    c.define_key_("\033[A", KEY_UP);
    c.define_key_("\033OA", KEY_UP);
    c.define_key_("\033[B", KEY_DOWN);
    c.define_key_("\033OB", KEY_DOWN);
    c.define_key_("\033[C", KEY_RIGHT);
    c.define_key_("\033OC", KEY_RIGHT);
    c.define_key_("\033[D", KEY_LEFT);
    c.define_key_("\033OD", KEY_LEFT);
    c.define_key_("\033[5~", KEY_PPAGE);
    c.define_key_("\033[6~", KEY_NPAGE);
    c.define_key_("\033[Z", KEY_BTAB);
    c.define_key_("\033[200~", slm_curses_paste_begin);
    c.define_key_("\033[201~", slm_curses_paste_end);
    slm_curses_mark_pastes(1);
    return 1;
}

/// Leaves the alternate screen and restores the modes of the terminal.
static inline void slm_curses_close(slm_curses_functions c) {
    slm_curses_mark_pastes(0);
    c.endwin_();
}

/// Continues after slm_curses_close, and redraws everything.
static inline void slm_curses_resume(slm_curses_functions c) {
    c.reset_prog_mode_();
    slm_curses_mark_pastes(1);
    c.clearok_(*c.screen, TRUE);
    c.wrefresh_(*c.window);
}

static inline void slm_curses_clear(slm_curses_functions c) { c.clearok_(*c.screen, TRUE); }
static inline void slm_curses_erase(slm_curses_functions c) { c.werase_(*c.window); }
static inline void slm_curses_update(slm_curses_functions c) { c.wrefresh_(*c.window); }
static inline void slm_curses_resize(slm_curses_functions c, int rows, int columns) { c.resizeterm_(rows, columns); }

/// Places the cursor and shows it, or hides it if the row is negative.
static inline void slm_curses_cursor(slm_curses_functions c, int row, int column) {
    c.curs_set_(row >= 0);
    if (row >= 0) c.wmove_(*c.window, row, column);
}

/// Prepares colors on the terminal's own background. Returns 0 if there are none.
static inline int slm_curses_start_colors(slm_curses_functions c) {
    if (!c.has_colors_() || c.start_color_() == ERR) return 0;
    c.use_default_colors_();
    return 1;
}
static inline void slm_curses_set_pair(slm_curses_functions c, int pair, int foreground, int background) {
    c.init_pair_((short)pair, (short)foreground, (short)background);
}

/// Puts a character, with its combining marks, into a cell. The text ends with 0.
static inline void slm_curses_put(slm_curses_functions c, int row, int column, const wchar_t *text, unsigned attributes, int pair) {
    cchar_t cell;
    if (c.setcchar_(&cell, text, attributes, (short)pair, NULL) != OK || c.wmove_(*c.window, row, column) != OK) return;
    c.wadd_wch_(*c.window, &cell);
}

/// The columns that curses gives a character; -1 if it does not know it.
static inline int slm_curses_width(wchar_t character) { return wcwidth(character); }

/// Reads without waiting: 0 for nothing, 1 for a character, 2 for a key such as KEY_UP.
static inline int slm_curses_read(slm_curses_functions c, unsigned *code) {
    wint_t character = 0;
    int result = c.wget_wch_(*c.window, &character);
    *code = character;
    return result == ERR ? 0 : result == KEY_CODE_YES ? 2 : 1;
}

static inline void slm_curses_use_mouse(slm_curses_functions c, int isOn) {
    c.mouseinterval_(0);
    c.mousemask_(isOn ? BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED : 0, NULL);
}

/// The event behind KEY_MOUSE: 1 for the left button, 4 and 5 for the wheel, else 0.
static inline int slm_curses_mouse(slm_curses_functions c, int *row, int *column) {
    MEVENT event;
    if (c.getmouse_(&event) != OK) return 0;
    *row = event.y;
    *column = event.x;
    return event.bstate & BUTTON1_PRESSED ? 1 : event.bstate & BUTTON4_PRESSED ? 4 : event.bstate & BUTTON5_PRESSED ? 5 : 0;
}
