#include "CWebFiles.h"

// The files of the web page, embedded with `#embed`. The compiler tracks them as dependencies. SwiftPM's `embedInCode` would generate Swift
// arrays, which take 6 seconds to compile whenever anything in `Serve` changes.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const slm_web_file files[] = {
    {"account/account-page.js", (const unsigned char[]) {
#embed "../Web/account/account-page.js" suffix(, 0)
    }},
    {"account/login.js", (const unsigned char[]) {
#embed "../Web/account/login.js" suffix(, 0)
    }},
    {"addresses.js", (const unsigned char[]) {
#embed "../Web/addresses.js" suffix(, 0)
    }},
    {"chat/composer.js", (const unsigned char[]) {
#embed "../Web/chat/composer.js" suffix(, 0)
    }},
    {"chat/conversation-dialog.js", (const unsigned char[]) {
#embed "../Web/chat/conversation-dialog.js" suffix(, 0)
    }},
    {"chat/conversation.js", (const unsigned char[]) {
#embed "../Web/chat/conversation.js" suffix(, 0)
    }},
    {"chat/dates.js", (const unsigned char[]) {
#embed "../Web/chat/dates.js" suffix(, 0)
    }},
    {"chat/documents-dialog.js", (const unsigned char[]) {
#embed "../Web/chat/documents-dialog.js" suffix(, 0)
    }},
    {"chat/documents.css", (const unsigned char[]) {
#embed "../Web/chat/documents.css" suffix(, 0)
    }},
    {"chat/documents.js", (const unsigned char[]) {
#embed "../Web/chat/documents.js" suffix(, 0)
    }},
    {"chat/export.js", (const unsigned char[]) {
#embed "../Web/chat/export.js" suffix(, 0)
    }},
    {"chat/feedback.css", (const unsigned char[]) {
#embed "../Web/chat/feedback.css" suffix(, 0)
    }},
    {"chat/feedback.js", (const unsigned char[]) {
#embed "../Web/chat/feedback.js" suffix(, 0)
    }},
    {"chat/highlight.js", (const unsigned char[]) {
#embed "../Web/chat/highlight.js" suffix(, 0)
    }},
    {"chat/libraries.css", (const unsigned char[]) {
#embed "../Web/chat/libraries.css" suffix(, 0)
    }},
    {"chat/markdown-blocks.js", (const unsigned char[]) {
#embed "../Web/chat/markdown-blocks.js" suffix(, 0)
    }},
    {"chat/markdown-inline.js", (const unsigned char[]) {
#embed "../Web/chat/markdown-inline.js" suffix(, 0)
    }},
    {"chat/markdown.js", (const unsigned char[]) {
#embed "../Web/chat/markdown.js" suffix(, 0)
    }},
    {"chat/message.js", (const unsigned char[]) {
#embed "../Web/chat/message.js" suffix(, 0)
    }},
    {"chat/meter.js", (const unsigned char[]) {
#embed "../Web/chat/meter.js" suffix(, 0)
    }},
    {"chat/passage-panel.js", (const unsigned char[]) {
#embed "../Web/chat/passage-panel.js" suffix(, 0)
    }},
    {"chat/settings-dialog.js", (const unsigned char[]) {
#embed "../Web/chat/settings-dialog.js" suffix(, 0)
    }},
    {"chat/settings.js", (const unsigned char[]) {
#embed "../Web/chat/settings.js" suffix(, 0)
    }},
    {"chat/sidebar.js", (const unsigned char[]) {
#embed "../Web/chat/sidebar.js" suffix(, 0)
    }},
    {"chat/sources.js", (const unsigned char[]) {
#embed "../Web/chat/sources.js" suffix(, 0)
    }},
    {"chat/thread.js", (const unsigned char[]) {
#embed "../Web/chat/thread.js" suffix(, 0)
    }},
    {"chat/training-notice.js", (const unsigned char[]) {
#embed "../Web/chat/training-notice.js" suffix(, 0)
    }},
    {"chat/welcome.js", (const unsigned char[]) {
#embed "../Web/chat/welcome.js" suffix(, 0)
    }},
    {"common/api.js", (const unsigned char[]) {
#embed "../Web/common/api.js" suffix(, 0)
    }},
    {"common/connection.js", (const unsigned char[]) {
#embed "../Web/common/connection.js" suffix(, 0)
    }},
    {"common/copy.js", (const unsigned char[]) {
#embed "../Web/common/copy.js" suffix(, 0)
    }},
    {"common/dialog.js", (const unsigned char[]) {
#embed "../Web/common/dialog.js" suffix(, 0)
    }},
    {"common/dom.js", (const unsigned char[]) {
#embed "../Web/common/dom.js" suffix(, 0)
    }},
    {"common/forms.js", (const unsigned char[]) {
#embed "../Web/common/forms.js" suffix(, 0)
    }},
    {"common/icon.svg", (const unsigned char[]) {
#embed "../Web/common/icon.svg" suffix(, 0)
    }},
    {"common/layout.js", (const unsigned char[]) {
#embed "../Web/common/layout.js" suffix(, 0)
    }},
    {"common/menu.js", (const unsigned char[]) {
#embed "../Web/common/menu.js" suffix(, 0)
    }},
    {"common/quantities.js", (const unsigned char[]) {
#embed "../Web/common/quantities.js" suffix(, 0)
    }},
    {"common/rows.js", (const unsigned char[]) {
#embed "../Web/common/rows.js" suffix(, 0)
    }},
    {"common/sanitize.js", (const unsigned char[]) {
#embed "../Web/common/sanitize.js" suffix(, 0)
    }},
    {"common/session.js", (const unsigned char[]) {
#embed "../Web/common/session.js" suffix(, 0)
    }},
    {"common/shortcuts.js", (const unsigned char[]) {
#embed "../Web/common/shortcuts.js" suffix(, 0)
    }},
    {"common/sse.js", (const unsigned char[]) {
#embed "../Web/common/sse.js" suffix(, 0)
    }},
    {"common/storage.js", (const unsigned char[]) {
#embed "../Web/common/storage.js" suffix(, 0)
    }},
    {"common/style.css", (const unsigned char[]) {
#embed "../Web/common/style.css" suffix(, 0)
    }},
    {"common/tabs.js", (const unsigned char[]) {
#embed "../Web/common/tabs.js" suffix(, 0)
    }},
    {"common/theme-choice.js", (const unsigned char[]) {
#embed "../Web/common/theme-choice.js" suffix(, 0)
    }},
    {"common/theme.js", (const unsigned char[]) {
#embed "../Web/common/theme.js" suffix(, 0)
    }},
    {"common/toast.js", (const unsigned char[]) {
#embed "../Web/common/toast.js" suffix(, 0)
    }},
    {"common/touch.css", (const unsigned char[]) {
#embed "../Web/common/touch.css" suffix(, 0)
    }},
    {"index.html", (const unsigned char[]) {
#embed "../Web/index.html" suffix(, 0)
    }},
    {"libraries/document-view.js", (const unsigned char[]) {
#embed "../Web/libraries/document-view.js" suffix(, 0)
    }},
    {"libraries/library-rows.js", (const unsigned char[]) {
#embed "../Web/libraries/library-rows.js" suffix(, 0)
    }},
    {"libraries/library-settings.js", (const unsigned char[]) {
#embed "../Web/libraries/library-settings.js" suffix(, 0)
    }},
    {"libraries/library-view.js", (const unsigned char[]) {
#embed "../Web/libraries/library-view.js" suffix(, 0)
    }},
    {"libraries/uploads.js", (const unsigned char[]) {
#embed "../Web/libraries/uploads.js" suffix(, 0)
    }},
    {"main.js", (const unsigned char[]) {
#embed "../Web/main.js" suffix(, 0)
    }},
    {"page.js", (const unsigned char[]) {
#embed "../Web/page.js" suffix(, 0)
    }},
    {"training/area.css", (const unsigned char[]) {
#embed "../Web/training/area.css" suffix(, 0)
    }},
    {"training/area.js", (const unsigned char[]) {
#embed "../Web/training/area.js" suffix(, 0)
    }},
    {"training/bulk.js", (const unsigned char[]) {
#embed "../Web/training/bulk.js" suffix(, 0)
    }},
    {"training/chat-list.js", (const unsigned char[]) {
#embed "../Web/training/chat-list.js" suffix(, 0)
    }},
    {"training/chats.js", (const unsigned char[]) {
#embed "../Web/training/chats.js" suffix(, 0)
    }},
    {"training/compare.js", (const unsigned char[]) {
#embed "../Web/training/compare.js" suffix(, 0)
    }},
    {"training/comparison.js", (const unsigned char[]) {
#embed "../Web/training/comparison.js" suffix(, 0)
    }},
    {"training/curve.js", (const unsigned char[]) {
#embed "../Web/training/curve.js" suffix(, 0)
    }},
    {"training/filter.js", (const unsigned char[]) {
#embed "../Web/training/filter.js" suffix(, 0)
    }},
    {"training/history.js", (const unsigned char[]) {
#embed "../Web/training/history.js" suffix(, 0)
    }},
    {"training/import.js", (const unsigned char[]) {
#embed "../Web/training/import.js" suffix(, 0)
    }},
    {"training/models.js", (const unsigned char[]) {
#embed "../Web/training/models.js" suffix(, 0)
    }},
    {"training/parts.js", (const unsigned char[]) {
#embed "../Web/training/parts.js" suffix(, 0)
    }},
    {"training/promote.js", (const unsigned char[]) {
#embed "../Web/training/promote.js" suffix(, 0)
    }},
    {"training/reader.js", (const unsigned char[]) {
#embed "../Web/training/reader.js" suffix(, 0)
    }},
    {"training/run.js", (const unsigned char[]) {
#embed "../Web/training/run.js" suffix(, 0)
    }},
    {"training/runs.js", (const unsigned char[]) {
#embed "../Web/training/runs.js" suffix(, 0)
    }},
    {"training/schedule.js", (const unsigned char[]) {
#embed "../Web/training/schedule.js" suffix(, 0)
    }},
    {"training/settings.js", (const unsigned char[]) {
#embed "../Web/training/settings.js" suffix(, 0)
    }},
    {"training/vote.js", (const unsigned char[]) {
#embed "../Web/training/vote.js" suffix(, 0)
    }},
};

const slm_web_file *slm_web_file_at(size_t index) { return index < sizeof files / sizeof *files ? &files[index] : NULL; }
