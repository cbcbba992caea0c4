// @ts-check
import { replaceTypedAddress } from "./addresses.js";
import { AccountPage } from "./account/account-page.js";
import { Account } from "./account/login.js";
import { API } from "./common/api.js";
import { Composer } from "./chat/composer.js";
import { openConversationDialog, prepareConversationDialog } from "./chat/conversation-dialog.js";
import { DocumentsDialog } from "./chat/documents-dialog.js";
import { Connection } from "./common/connection.js";
import { saveGuestMessages } from "./chat/conversation.js";
import { byId } from "./common/dom.js";
import { download, FORMATS } from "./chat/export.js";
import { closeDrawer, drawerIsOpen, prepareLayout, showSidebar, toggleSidebar } from "./common/layout.js";
import { openMenu } from "./common/menu.js";
import { Page } from "./page.js";
import { PassagePanel } from "./chat/passage-panel.js";
import { Session } from "./common/session.js";
import { openSettings, prepareSettings } from "./chat/settings-dialog.js";
import { Settings } from "./chat/settings.js";
import { listen } from "./common/shortcuts.js";
import { Sidebar } from "./chat/sidebar.js";
import { toggleTheme } from "./common/theme-choice.js";
import { Tabs } from "./common/tabs.js";
import { Thread } from "./chat/thread.js";
import { toast } from "./common/toast.js";
import { prepareTraining } from "./chat/training-notice.js";
import { showModel } from "./chat/welcome.js";

/** @typedef {import("./chat/export.js").Exported} Exported */

/**
 * The menu items that export a conversation.
 * @param {() => Exported | Promise<Exported>} read @returns {import("./common/menu.js").Choice[]}
 */
const exportChoices = (read) => FORMATS.map((format) => ({
  label: format.label,
  icon: "download",
  action: async () => {
    try {
      download(await read(), format);
    } catch (error) {
      toast(/** @type {Error} */ (error).message);
    }
  },
}));

const session = new Session();
const api = new API(session);
const settings = new Settings();
const connection = new Connection();
const panel = new PassagePanel(api);
const thread = new Thread({
  regenerate: (message) => page.conversation.regenerate(message),
  resend: (message, text) => page.conversation.resend(message, text),
  rate: (message, rating) => page.conversation.rate(message, rating),
  correct: (message, text) => page.conversation.correct(message, text),
  switchTo: (id, label) => page.switchTo(id, label),
  isBusy: () => page.conversation.isAnswering,
  isGuest: () => session.isGuest,
  model: () => page.conversation.model,
  panel,
});
const composer = new Composer({
  send: (text) => { thread.scrollToEnd(); page.conversation.send(text); },
  stop: () => page.conversation.stop(),
  editLast: () => {
    const last = page.conversation.messages.findLast((message) => message.role === "user");
    if (last) thread.views.get(last)?.edit();
  },
});
const sidebar = new Sidebar(api, (summary) => exportChoices(async () => {
  const { title, created_at, messages } = await api.get("/api/conversations/" + encodeURIComponent(summary.id));
  return { title, createdAt: created_at, messages };
}));
const tabs = new Tabs();
const account = new Account(api, connection);
const accountPage = new AccountPage(api, { leave: () => page.logOut() });
sidebar.saysTraining = () => connection.health.training === true;
const page = new Page({ api, session, connection, settings, sidebar, thread, composer, account, accountPage, tabs });
const documents = new DocumentsDialog(page, panel);

api.onUnreachable = () => connection.check();
connection.addEventListener("back", () => {
  sidebar.load();
  page.refresh();
  showServer();
  if (page.failedToLoad && page.showsChat) page.route();
  page.trainingArea?.reload();
});
session.addEventListener("expired", () => page.askToLogIn("Your session has expired. Log in again; your message has been saved."));
session.addEventListener("change", () => {
  documents.reset();
  page.userChanged();
});
tabs.addEventListener("changed", (event) => page.changedElsewhere(/** @type {CustomEvent} */ (event).detail));
tabs.addEventListener("libraries", () => documents.changedElsewhere());
sidebar.addEventListener("changed", (event) => tabs.announce(/** @type {CustomEvent} */ (event).detail.id));
sidebar.addEventListener("deleted", (event) => {
  if (page.showsChat && /** @type {CustomEvent} */ (event).detail.id === page.conversation.id) page.go("#/");
});
sidebar.addEventListener("renamed", (event) => {
  const { id, title } = /** @type {CustomEvent} */ (event).detail;
  if (id !== page.conversation.id) return;
  page.conversation.title = title;
  page.showChatTitle(title);
});

/** Shows what the server has said about itself. */
function showServer() {
  showModel(connection.health, settings, (text) => composer.fill(text), (model) => page.chooseModel(model));
  page.settingsChanged();
  page.loadAccount();
  page.loadDocuments();
}

function newChat() {
  closeDrawer();
  page.startOver();
  composer.box.focus();
}

byId("skip").addEventListener("click", (/** @type {Event} */ event) => {
  // Following the link would change the address.
  event.preventDefault();
  const headings = [...document.querySelectorAll("#main h2")];
  const place = byId("chat").hidden ? headings.find((heading) => heading.checkVisibility()) : composer.box;
  /** @type {HTMLElement | undefined} */ (place)?.focus();
});
byId("new-chat").addEventListener("click", newChat);
byId("new-chat-top").addEventListener("click", newChat);
byId("log-out").addEventListener("click", () => {
  // The server ends the session. If it cannot be reached, the token is removed all the same.
  api.request("POST", "/api/auth/logout").catch(() => {});
  page.logOut();
});
byId("toggle-theme").addEventListener("click", toggleTheme);
byId("open-settings").addEventListener("click", () => openSettings(settings));
byId("open-shortcuts").addEventListener("click", () => byId("shortcuts").showModal());
byId("open-conversation").addEventListener("click", () => openConversationDialog(page));
byId("choose-documents").addEventListener("click", () => documents.open());
byId("export").addEventListener("click", () => openMenu(byId("export"), exportChoices(() => page.conversation)));
byId("more").addEventListener("click", () => openMenu(byId("more"), [
  ...(page.showsChat ? [{ label: "This conversation", icon: "prompt", action: () => openConversationDialog(page) }] : []),
  ...(byId("export").hidden ? [] : exportChoices(() => page.conversation)),
  { label: "Toggle dark mode", icon: "theme", action: toggleTheme },
  { label: "Settings", icon: "settings", action: () => openSettings(settings) },
]));
listen([
  { keys: ["Enter"], label: "Send the message" },
  { keys: ["Shift", "Enter"], label: "New line" },
  { keys: ["Esc"], label: "Stop the answer", action: () => (drawerIsOpen() ? closeDrawer() : page.conversation.stop()) },
  { keys: ["↑"], label: "Edit your last message (in an empty message box)" },
  { keys: ["/"], label: "Focus the message box", single: true, action: () => composer.box.focus() },
  { keys: ["Mod", "Shift", "O"], label: "New chat", action: newChat },
  { keys: ["Mod", "K"], label: "Search conversations", action: () => { showSidebar(); byId("search").focus(); } },
  { keys: ["Mod", "B"], label: "Show or hide the sidebar", action: toggleSidebar },
  { keys: ["↑", "↓"], label: "Move through the list of conversations" },
  { keys: ["F2"], label: "Rename the focused conversation" },
  { keys: ["Del"], label: "Delete the focused conversation" },
  { keys: ["Mod", "Shift", "L"], label: "Toggle dark mode", action: toggleTheme },
  { keys: ["Mod", ","], label: "Settings", action: () => openSettings(settings) },
  { keys: ["?"], label: "Show keyboard shortcuts", single: true, action: () => byId("shortcuts").showModal() },
], () => settings.singleKeys);

prepareSettings(settings);
prepareLayout();
prepareTraining(page);
prepareConversationDialog(page);
addEventListener("hashchange", () => page.route());
addEventListener("pagehide", () => { if (session.isGuest) saveGuestMessages(page.conversation.messages); });

const typedPath = replaceTypedAddress();
page.route();
if (typedPath === "/settings") openSettings(settings);
page.refresh();
sidebar.load();
connection.check().then(() => {
  page.measure();
  account.showInvitation();
  showServer();
});
document.documentElement.dataset.ready = "";
