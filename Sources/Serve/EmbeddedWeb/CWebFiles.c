#include "CWebFiles.h"

// The files of the web page, embedded with `#embed`. The compiler tracks them as dependencies. SwiftPM's `embedInCode` would generate Swift
// arrays, which take 6 seconds to compile whenever anything in `Serve` changes.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char account_page_js[] = {
#embed "../Web/account-page.js"
};
static const unsigned char account_js[] = {
#embed "../Web/account.js"
};
static const unsigned char addresses_js[] = {
#embed "../Web/addresses.js"
};
static const unsigned char api_js[] = {
#embed "../Web/api.js"
};
static const unsigned char composer_js[] = {
#embed "../Web/composer.js"
};
static const unsigned char connection_js[] = {
#embed "../Web/connection.js"
};
static const unsigned char conversation_dialog_js[] = {
#embed "../Web/conversation-dialog.js"
};
static const unsigned char conversation_js[] = {
#embed "../Web/conversation.js"
};
static const unsigned char copy_js[] = {
#embed "../Web/copy.js"
};
static const unsigned char dates_js[] = {
#embed "../Web/dates.js"
};
static const unsigned char dom_js[] = {
#embed "../Web/dom.js"
};
static const unsigned char export_js[] = {
#embed "../Web/export.js"
};
static const unsigned char feedback_css[] = {
#embed "../Web/feedback.css"
};
static const unsigned char feedback_js[] = {
#embed "../Web/feedback.js"
};
static const unsigned char forms_js[] = {
#embed "../Web/forms.js"
};
static const unsigned char highlight_js[] = {
#embed "../Web/highlight.js"
};
static const unsigned char icon_svg[] = {
#embed "../Web/icon.svg"
};
static const unsigned char index_html[] = {
#embed "../Web/index.html"
};
static const unsigned char layout_js[] = {
#embed "../Web/layout.js"
};
static const unsigned char main_js[] = {
#embed "../Web/main.js"
};
static const unsigned char markdown_blocks_js[] = {
#embed "../Web/markdown-blocks.js"
};
static const unsigned char markdown_inline_js[] = {
#embed "../Web/markdown-inline.js"
};
static const unsigned char markdown_js[] = {
#embed "../Web/markdown.js"
};
static const unsigned char menu_js[] = {
#embed "../Web/menu.js"
};
static const unsigned char message_js[] = {
#embed "../Web/message.js"
};
static const unsigned char meter_js[] = {
#embed "../Web/meter.js"
};
static const unsigned char page_js[] = {
#embed "../Web/page.js"
};
static const unsigned char sanitize_js[] = {
#embed "../Web/sanitize.js"
};
static const unsigned char session_js[] = {
#embed "../Web/session.js"
};
static const unsigned char settings_dialog_js[] = {
#embed "../Web/settings-dialog.js"
};
static const unsigned char settings_js[] = {
#embed "../Web/settings.js"
};
static const unsigned char shortcuts_js[] = {
#embed "../Web/shortcuts.js"
};
static const unsigned char sidebar_js[] = {
#embed "../Web/sidebar.js"
};
static const unsigned char sse_js[] = {
#embed "../Web/sse.js"
};
static const unsigned char storage_js[] = {
#embed "../Web/storage.js"
};
static const unsigned char style_css[] = {
#embed "../Web/style.css"
};
static const unsigned char tabs_js[] = {
#embed "../Web/tabs.js"
};
static const unsigned char theme_choice_js[] = {
#embed "../Web/theme-choice.js"
};
static const unsigned char theme_js[] = {
#embed "../Web/theme.js"
};
static const unsigned char thread_js[] = {
#embed "../Web/thread.js"
};
static const unsigned char toast_js[] = {
#embed "../Web/toast.js"
};
static const unsigned char touch_css[] = {
#embed "../Web/touch.css"
};
static const unsigned char training_area_css[] = {
#embed "../Web/training-area.css"
};
static const unsigned char training_area_js[] = {
#embed "../Web/training-area.js"
};
static const unsigned char training_bulk_js[] = {
#embed "../Web/training-bulk.js"
};
static const unsigned char training_chat_list_js[] = {
#embed "../Web/training-chat-list.js"
};
static const unsigned char training_chats_js[] = {
#embed "../Web/training-chats.js"
};
static const unsigned char training_compare_js[] = {
#embed "../Web/training-compare.js"
};
static const unsigned char training_comparison_js[] = {
#embed "../Web/training-comparison.js"
};
static const unsigned char training_curve_js[] = {
#embed "../Web/training-curve.js"
};
static const unsigned char training_filter_js[] = {
#embed "../Web/training-filter.js"
};
static const unsigned char training_history_js[] = {
#embed "../Web/training-history.js"
};
static const unsigned char training_import_js[] = {
#embed "../Web/training-import.js"
};
static const unsigned char training_models_js[] = {
#embed "../Web/training-models.js"
};
static const unsigned char training_parts_js[] = {
#embed "../Web/training-parts.js"
};
static const unsigned char training_promote_js[] = {
#embed "../Web/training-promote.js"
};
static const unsigned char training_reader_js[] = {
#embed "../Web/training-reader.js"
};
static const unsigned char training_run_js[] = {
#embed "../Web/training-run.js"
};
static const unsigned char training_runs_js[] = {
#embed "../Web/training-runs.js"
};
static const unsigned char training_schedule_js[] = {
#embed "../Web/training-schedule.js"
};
static const unsigned char training_settings_js[] = {
#embed "../Web/training-settings.js"
};
static const unsigned char training_vote_js[] = {
#embed "../Web/training-vote.js"
};
static const unsigned char training_js[] = {
#embed "../Web/training.js"
};
static const unsigned char welcome_js[] = {
#embed "../Web/welcome.js"
};

#define FILE(name, bytes) { name, bytes, sizeof bytes }

static const slm_web_file files[] = {
    FILE("account-page.js", account_page_js),
    FILE("account.js", account_js),
    FILE("addresses.js", addresses_js),
    FILE("api.js", api_js),
    FILE("composer.js", composer_js),
    FILE("connection.js", connection_js),
    FILE("conversation-dialog.js", conversation_dialog_js),
    FILE("conversation.js", conversation_js),
    FILE("copy.js", copy_js),
    FILE("dates.js", dates_js),
    FILE("dom.js", dom_js),
    FILE("export.js", export_js),
    FILE("feedback.css", feedback_css),
    FILE("feedback.js", feedback_js),
    FILE("forms.js", forms_js),
    FILE("highlight.js", highlight_js),
    FILE("icon.svg", icon_svg),
    FILE("index.html", index_html),
    FILE("layout.js", layout_js),
    FILE("main.js", main_js),
    FILE("markdown-blocks.js", markdown_blocks_js),
    FILE("markdown-inline.js", markdown_inline_js),
    FILE("markdown.js", markdown_js),
    FILE("menu.js", menu_js),
    FILE("message.js", message_js),
    FILE("meter.js", meter_js),
    FILE("page.js", page_js),
    FILE("sanitize.js", sanitize_js),
    FILE("session.js", session_js),
    FILE("settings-dialog.js", settings_dialog_js),
    FILE("settings.js", settings_js),
    FILE("shortcuts.js", shortcuts_js),
    FILE("sidebar.js", sidebar_js),
    FILE("sse.js", sse_js),
    FILE("storage.js", storage_js),
    FILE("style.css", style_css),
    FILE("tabs.js", tabs_js),
    FILE("theme-choice.js", theme_choice_js),
    FILE("theme.js", theme_js),
    FILE("thread.js", thread_js),
    FILE("toast.js", toast_js),
    FILE("touch.css", touch_css),
    FILE("training-area.css", training_area_css),
    FILE("training-area.js", training_area_js),
    FILE("training-bulk.js", training_bulk_js),
    FILE("training-chat-list.js", training_chat_list_js),
    FILE("training-chats.js", training_chats_js),
    FILE("training-compare.js", training_compare_js),
    FILE("training-comparison.js", training_comparison_js),
    FILE("training-curve.js", training_curve_js),
    FILE("training-filter.js", training_filter_js),
    FILE("training-history.js", training_history_js),
    FILE("training-import.js", training_import_js),
    FILE("training-models.js", training_models_js),
    FILE("training-parts.js", training_parts_js),
    FILE("training-promote.js", training_promote_js),
    FILE("training-reader.js", training_reader_js),
    FILE("training-run.js", training_run_js),
    FILE("training-runs.js", training_runs_js),
    FILE("training-schedule.js", training_schedule_js),
    FILE("training-settings.js", training_settings_js),
    FILE("training-vote.js", training_vote_js),
    FILE("training.js", training_js),
    FILE("welcome.js", welcome_js),
};

const slm_web_file *slm_web_file_at(size_t index) { return index < sizeof files / sizeof *files ? &files[index] : NULL; }
