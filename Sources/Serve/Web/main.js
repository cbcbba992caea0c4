// @ts-check
import { Account } from "./account.js";
import { API } from "./api.js";
import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { byId } from "./dom.js";
import { download, FORMS } from "./export.js";
import { closeDrawer, drawerIsOpen, prepareDialogs, showSidebar, showTitle, toggleSidebar } from "./frame.js";
import { keepGuest } from "./conversation.js";
import { openMenu } from "./menu.js";
import { Page } from "./page.js";
import { Session } from "./session.js";
import { fillSettings, openSettings } from "./settings-dialog.js";
import { Settings } from "./settings.js";
import { listen } from "./shortcuts.js";
import { Sidebar } from "./sidebar.js";
import { toggleTheme } from "./theme-choice.js";
import { Thread } from "./thread.js";
import { toast } from "./toast.js";

const session = new Session();
const api = new API(session);
const settings = new Settings();
const connection = new Connection();
const thread = new Thread({
  regenerate: (message) => page.conversation.regenerate(message),
  resend: (message, text) => page.conversation.resend(message, text),
  isBusy: () => page.conversation.isAnswering,
});
const composer = new Composer({
  send: (text) => { thread.toEnd(); page.conversation.send(text); },
  stop: () => page.conversation.stop(),
  editLast: () => {
    const question = page.conversation.messages.findLast((message) => message.role === "user");
    if (question) thread.views.get(question)?.edit();
  },
});
const sidebar = new Sidebar(api, (summary) => FORMS.map((form) => ({ label: form.label, icon: "download", deed: async () => {
  try {
    const { title, created_at, messages } = await api.get("/api/conversations/" + encodeURIComponent(summary.id));
    download({ title, createdAt: created_at, messages }, form);
  } catch (error) {
    toast(/** @type {Error} */ (error).message);
  }
} })));
const account = new Account(api);
const page = new Page({ api, session, connection, settings, sidebar, thread, composer, account });

api.whenUnreachable = () => connection.check();
connection.addEventListener("back", () => {
  sidebar.load();
  page.refresh();
  if (page.failedToLoad) page.route();
});
session.addEventListener("expired", () => page.askToSignIn("Your session has ended. Log in again: what you typed is kept."));
session.addEventListener("change", () => page.personChanged());
sidebar.addEventListener("deleted", (event) => {
  if (/** @type {CustomEvent} */ (event).detail.id === page.conversation.id) page.go("#/");
});
sidebar.addEventListener("renamed", (event) => {
  const { id, title } = /** @type {CustomEvent} */ (event).detail;
  if (id !== page.conversation.id) return;
  page.conversation.title = title;
  showTitle(title);
});

function newChat() {
  closeDrawer();
  page.startOver();
  composer.box.focus();
}

byId("new-chat").addEventListener("click", newChat);
byId("new-chat-top").addEventListener("click", newChat);
byId("log-out").addEventListener("click", () => { session.end(); page.go("#/"); });
byId("toggle-theme").addEventListener("click", toggleTheme);
byId("open-settings").addEventListener("click", openSettings);
byId("open-shortcuts").addEventListener("click", () => byId("shortcuts").showModal());
byId("export").addEventListener("click", () => openMenu(byId("export"), FORMS.map((form) => ({ label: form.label, icon: "download", deed: () => download(page.conversation, form) }))));
for (const button of document.querySelectorAll("[data-example]")) button.addEventListener("click", () => composer.fill(button.textContent ?? ""));

listen([
  { keys: ["Enter"], label: "Send the message" },
  { keys: ["Shift", "Enter"], label: "New line" },
  { keys: ["Esc"], label: "Stop the answer", deed: () => (drawerIsOpen() ? closeDrawer() : page.conversation.stop()) },
  { keys: ["↑"], label: "Edit your last message, in the empty box" },
  { keys: ["/"], label: "Go to the message box", single: true, deed: () => composer.box.focus() },
  { keys: ["Mod", "Shift", "O"], label: "New chat", deed: newChat },
  { keys: ["Mod", "K"], label: "Search conversations", deed: () => { showSidebar(); byId("search").focus(); } },
  { keys: ["Mod", "B"], label: "Show or hide the sidebar", deed: toggleSidebar },
  { keys: ["↑", "↓"], label: "Walk the list of conversations" },
  { keys: ["F2"], label: "Rename the conversation that has the focus" },
  { keys: ["Del"], label: "Delete it" },
  { keys: ["Mod", "Shift", "L"], label: "Dark or light", deed: toggleTheme },
  { keys: ["Mod", ","], label: "Settings", deed: openSettings },
  { keys: ["?"], label: "This list", single: true, deed: () => byId("shortcuts").showModal() },
], () => settings.singleKeys);

fillSettings(settings);
prepareDialogs();
addEventListener("hashchange", () => page.route());
addEventListener("pagehide", () => { if (session.isGuest) keepGuest(page.conversation.messages); });

page.route();
page.refresh();
sidebar.load();
connection.check().then(() => {
  page.measure();
  if (connection.health.model) byId("model").textContent = connection.health.model;
});
document.documentElement.dataset.ready = "";
