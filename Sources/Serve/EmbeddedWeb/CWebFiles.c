#include "CWebFiles.h"

// The files of the web page, embedded with `#embed`. The compiler tracks them as dependencies. SwiftPM's `embedInCode` would generate Swift
// arrays, which take 6 seconds to compile whenever anything in `Serve` changes.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char account_account_page_js[] = {
#embed "../Web/account/account-page.js"
};
static const unsigned char account_login_js[] = {
#embed "../Web/account/login.js"
};
static const unsigned char addresses_js[] = {
#embed "../Web/addresses.js"
};
static const unsigned char chat_composer_js[] = {
#embed "../Web/chat/composer.js"
};
static const unsigned char chat_conversation_dialog_js[] = {
#embed "../Web/chat/conversation-dialog.js"
};
static const unsigned char chat_conversation_js[] = {
#embed "../Web/chat/conversation.js"
};
static const unsigned char chat_dates_js[] = {
#embed "../Web/chat/dates.js"
};
static const unsigned char chat_documents_css[] = {
#embed "../Web/chat/documents.css"
};
static const unsigned char chat_documents_js[] = {
#embed "../Web/chat/documents.js"
};
static const unsigned char chat_export_js[] = {
#embed "../Web/chat/export.js"
};
static const unsigned char chat_feedback_css[] = {
#embed "../Web/chat/feedback.css"
};
static const unsigned char chat_feedback_js[] = {
#embed "../Web/chat/feedback.js"
};
static const unsigned char chat_highlight_js[] = {
#embed "../Web/chat/highlight.js"
};
static const unsigned char chat_markdown_blocks_js[] = {
#embed "../Web/chat/markdown-blocks.js"
};
static const unsigned char chat_markdown_inline_js[] = {
#embed "../Web/chat/markdown-inline.js"
};
static const unsigned char chat_markdown_js[] = {
#embed "../Web/chat/markdown.js"
};
static const unsigned char chat_message_js[] = {
#embed "../Web/chat/message.js"
};
static const unsigned char chat_meter_js[] = {
#embed "../Web/chat/meter.js"
};
static const unsigned char chat_settings_dialog_js[] = {
#embed "../Web/chat/settings-dialog.js"
};
static const unsigned char chat_settings_js[] = {
#embed "../Web/chat/settings.js"
};
static const unsigned char chat_sidebar_js[] = {
#embed "../Web/chat/sidebar.js"
};
static const unsigned char chat_sources_js[] = {
#embed "../Web/chat/sources.js"
};
static const unsigned char chat_thread_js[] = {
#embed "../Web/chat/thread.js"
};
static const unsigned char chat_training_notice_js[] = {
#embed "../Web/chat/training-notice.js"
};
static const unsigned char chat_welcome_js[] = {
#embed "../Web/chat/welcome.js"
};
static const unsigned char common_api_js[] = {
#embed "../Web/common/api.js"
};
static const unsigned char common_connection_js[] = {
#embed "../Web/common/connection.js"
};
static const unsigned char common_copy_js[] = {
#embed "../Web/common/copy.js"
};
static const unsigned char common_dom_js[] = {
#embed "../Web/common/dom.js"
};
static const unsigned char common_forms_js[] = {
#embed "../Web/common/forms.js"
};
static const unsigned char common_icon_svg[] = {
#embed "../Web/common/icon.svg"
};
static const unsigned char common_layout_js[] = {
#embed "../Web/common/layout.js"
};
static const unsigned char common_menu_js[] = {
#embed "../Web/common/menu.js"
};
static const unsigned char common_sanitize_js[] = {
#embed "../Web/common/sanitize.js"
};
static const unsigned char common_session_js[] = {
#embed "../Web/common/session.js"
};
static const unsigned char common_shortcuts_js[] = {
#embed "../Web/common/shortcuts.js"
};
static const unsigned char common_sse_js[] = {
#embed "../Web/common/sse.js"
};
static const unsigned char common_storage_js[] = {
#embed "../Web/common/storage.js"
};
static const unsigned char common_style_css[] = {
#embed "../Web/common/style.css"
};
static const unsigned char common_tabs_js[] = {
#embed "../Web/common/tabs.js"
};
static const unsigned char common_theme_choice_js[] = {
#embed "../Web/common/theme-choice.js"
};
static const unsigned char common_theme_js[] = {
#embed "../Web/common/theme.js"
};
static const unsigned char common_toast_js[] = {
#embed "../Web/common/toast.js"
};
static const unsigned char common_touch_css[] = {
#embed "../Web/common/touch.css"
};
static const unsigned char index_html[] = {
#embed "../Web/index.html"
};
static const unsigned char main_js[] = {
#embed "../Web/main.js"
};
static const unsigned char page_js[] = {
#embed "../Web/page.js"
};
static const unsigned char training_area_css[] = {
#embed "../Web/training/area.css"
};
static const unsigned char training_area_js[] = {
#embed "../Web/training/area.js"
};
static const unsigned char training_bulk_js[] = {
#embed "../Web/training/bulk.js"
};
static const unsigned char training_chat_list_js[] = {
#embed "../Web/training/chat-list.js"
};
static const unsigned char training_chats_js[] = {
#embed "../Web/training/chats.js"
};
static const unsigned char training_compare_js[] = {
#embed "../Web/training/compare.js"
};
static const unsigned char training_comparison_js[] = {
#embed "../Web/training/comparison.js"
};
static const unsigned char training_curve_js[] = {
#embed "../Web/training/curve.js"
};
static const unsigned char training_filter_js[] = {
#embed "../Web/training/filter.js"
};
static const unsigned char training_history_js[] = {
#embed "../Web/training/history.js"
};
static const unsigned char training_import_js[] = {
#embed "../Web/training/import.js"
};
static const unsigned char training_models_js[] = {
#embed "../Web/training/models.js"
};
static const unsigned char training_parts_js[] = {
#embed "../Web/training/parts.js"
};
static const unsigned char training_promote_js[] = {
#embed "../Web/training/promote.js"
};
static const unsigned char training_reader_js[] = {
#embed "../Web/training/reader.js"
};
static const unsigned char training_run_js[] = {
#embed "../Web/training/run.js"
};
static const unsigned char training_runs_js[] = {
#embed "../Web/training/runs.js"
};
static const unsigned char training_schedule_js[] = {
#embed "../Web/training/schedule.js"
};
static const unsigned char training_settings_js[] = {
#embed "../Web/training/settings.js"
};
static const unsigned char training_vote_js[] = {
#embed "../Web/training/vote.js"
};

#define FILE(path, bytes) { path, bytes, sizeof bytes }

static const slm_web_file files[] = {
    FILE("account/account-page.js", account_account_page_js),
    FILE("account/login.js", account_login_js),
    FILE("addresses.js", addresses_js),
    FILE("chat/composer.js", chat_composer_js),
    FILE("chat/conversation-dialog.js", chat_conversation_dialog_js),
    FILE("chat/conversation.js", chat_conversation_js),
    FILE("chat/dates.js", chat_dates_js),
    FILE("chat/documents.css", chat_documents_css),
    FILE("chat/documents.js", chat_documents_js),
    FILE("chat/export.js", chat_export_js),
    FILE("chat/feedback.css", chat_feedback_css),
    FILE("chat/feedback.js", chat_feedback_js),
    FILE("chat/highlight.js", chat_highlight_js),
    FILE("chat/markdown-blocks.js", chat_markdown_blocks_js),
    FILE("chat/markdown-inline.js", chat_markdown_inline_js),
    FILE("chat/markdown.js", chat_markdown_js),
    FILE("chat/message.js", chat_message_js),
    FILE("chat/meter.js", chat_meter_js),
    FILE("chat/settings-dialog.js", chat_settings_dialog_js),
    FILE("chat/settings.js", chat_settings_js),
    FILE("chat/sidebar.js", chat_sidebar_js),
    FILE("chat/sources.js", chat_sources_js),
    FILE("chat/thread.js", chat_thread_js),
    FILE("chat/training-notice.js", chat_training_notice_js),
    FILE("chat/welcome.js", chat_welcome_js),
    FILE("common/api.js", common_api_js),
    FILE("common/connection.js", common_connection_js),
    FILE("common/copy.js", common_copy_js),
    FILE("common/dom.js", common_dom_js),
    FILE("common/forms.js", common_forms_js),
    FILE("common/icon.svg", common_icon_svg),
    FILE("common/layout.js", common_layout_js),
    FILE("common/menu.js", common_menu_js),
    FILE("common/sanitize.js", common_sanitize_js),
    FILE("common/session.js", common_session_js),
    FILE("common/shortcuts.js", common_shortcuts_js),
    FILE("common/sse.js", common_sse_js),
    FILE("common/storage.js", common_storage_js),
    FILE("common/style.css", common_style_css),
    FILE("common/tabs.js", common_tabs_js),
    FILE("common/theme-choice.js", common_theme_choice_js),
    FILE("common/theme.js", common_theme_js),
    FILE("common/toast.js", common_toast_js),
    FILE("common/touch.css", common_touch_css),
    FILE("index.html", index_html),
    FILE("main.js", main_js),
    FILE("page.js", page_js),
    FILE("training/area.css", training_area_css),
    FILE("training/area.js", training_area_js),
    FILE("training/bulk.js", training_bulk_js),
    FILE("training/chat-list.js", training_chat_list_js),
    FILE("training/chats.js", training_chats_js),
    FILE("training/compare.js", training_compare_js),
    FILE("training/comparison.js", training_comparison_js),
    FILE("training/curve.js", training_curve_js),
    FILE("training/filter.js", training_filter_js),
    FILE("training/history.js", training_history_js),
    FILE("training/import.js", training_import_js),
    FILE("training/models.js", training_models_js),
    FILE("training/parts.js", training_parts_js),
    FILE("training/promote.js", training_promote_js),
    FILE("training/reader.js", training_reader_js),
    FILE("training/run.js", training_run_js),
    FILE("training/runs.js", training_runs_js),
    FILE("training/schedule.js", training_schedule_js),
    FILE("training/settings.js", training_settings_js),
    FILE("training/vote.js", training_vote_js),
};

const slm_web_file *slm_web_file_at(size_t index) { return index < sizeof files / sizeof *files ? &files[index] : NULL; }
