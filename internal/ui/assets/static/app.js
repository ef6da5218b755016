// The dashboard's script. Every page works without it: it copies, reveals, opens dialogs,
// and adds the keyboard.
"use strict";

const find = (selector, of = document) => of.querySelector(selector);
const all = (selector, of = document) => [...of.querySelectorAll(selector)];
const say = (text) => { find("#say").textContent = text; };

// copy puts a text into the clipboard, or selects it where browsers allow no more than that.
async function copy(button) {
  const from = button.dataset.copyFrom && document.getElementById(button.dataset.copyFrom);
  const text = button.dataset.copy ?? (button.dataset.prefix ?? "") + from.textContent;
  try {
    await navigator.clipboard.writeText(text);
    say("Copied");
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1500);
  } catch {
    if (from) { getSelection().selectAllChildren(from); }
    say("Press Ctrl C to copy");
  }
}

function reveal(button) {
  const field = document.getElementById(button.dataset.reveal);
  const shown = field.type === "password";
  field.type = shown ? "text" : "password";
  button.setAttribute("aria-pressed", shown);
}

const open = (id) => {
  const dialog = document.getElementById(id);
  if (!dialog.open) { dialog.showModal(); }
  find("[autofocus], input:not([type=hidden]), button", dialog)?.focus();
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from], [data-reveal], [data-open], [data-close]");
  if (!button) { return; }
  const { open: opens, close: closes } = button.dataset;
  if (button.matches("[data-copy], [data-copy-from]")) { copy(button); }
  if (button.dataset.reveal) { reveal(button); }
  if (opens) { event.preventDefault(); open(opens); }
  if (closes) {
    const it = document.getElementById(closes);
    if (it.matches("dialog")) { it.close(); } else { it.hidden = true; }
  }
});

// A dangerous button is unlocked by typing the name of what it is about; others by a tick.
document.addEventListener("input", (event) => {
  const { unlock, name } = event.target.dataset;
  if (!unlock) { return; }
  const may = event.target.type === "checkbox" ? event.target.checked : event.target.value === name;
  for (const id of unlock.split(" ")) { document.getElementById(id).disabled = !may; }
});

// A secret leaves the page with whoever looked at it, and after ten minutes.
const secret = find("[data-secret]");
if (secret) {
  const hide = () => {
    secret.textContent = "hidden";
    for (const copy of all("[data-copy-from=" + secret.id + "]")) { copy.disabled = true; }
  };
  addEventListener("pagehide", hide);
  setTimeout(hide, 600_000);
}

// The palette: what is in the list, and what the server finds.
const palette = find("#palette");
if (palette) {
  const query = find("input", palette), list = find("ul", palette);
  let at = 0;
  const options = () => all("li", list).filter((li) => !li.hidden);
  const mark = (to) => {
    const shown = options();
    at = Math.max(0, Math.min(to, shown.length - 1));
    for (const li of all("li", list)) { li.setAttribute("aria-selected", li === shown[at]); }
    if (shown[at]) {
      query.setAttribute("aria-activedescendant", shown[at].id);
      shown[at].scrollIntoView({ block: "nearest" });
    } else {
      query.removeAttribute("aria-activedescendant");
    }
  };
  const go = (li) => { location.href = li.dataset.href; };
  for (const [i, a] of all("main [data-key]").entries()) {
    const li = document.createElement("li");
    li.setAttribute("role", "option");
    li.id = "do-" + i;
    li.dataset.href = a.href;
    const text = document.createElement("span");
    text.textContent = a.firstElementChild ? [...a.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data).join("") : a.textContent;
    li.append(text);
    list.prepend(li);
  }
  const sift = () => {
    const words = query.value.trim().toLowerCase();
    for (const li of all("li", list)) { li.hidden = !li.textContent.toLowerCase().includes(words); }
    mark(0);
  };
  query.addEventListener("input", sift);
  query.addEventListener("keydown", (event) => {
    const shown = options();
    if (event.key === "ArrowDown") { event.preventDefault(); mark(at + 1); }
    if (event.key === "ArrowUp") { event.preventDefault(); mark(at - 1); }
    if (event.key === "Enter" && shown[at]) { event.preventDefault(); go(shown[at]); }
  });
  list.addEventListener("click", (event) => { const li = event.target.closest("li"); if (li) { go(li); } });
  palette.addEventListener("close", () => { query.value = ""; sift(); });
  palette.addEventListener("click", (event) => { if (event.target === palette) { palette.close(); } });
  mark(0);
}

// Keys: single letters act only outside of fields and dialogs.
let gone = 0;
document.addEventListener("keydown", (event) => {
  if ((event.metaKey || event.ctrlKey) && event.key === "k" && palette) { event.preventDefault(); open("palette"); return; }
  const field = event.target.closest("input, textarea, select, [contenteditable]");
  if ((event.metaKey || event.ctrlKey) && event.key === "Enter" && field?.form) { event.preventDefault(); field.form.requestSubmit(); return; }
  if (event.metaKey || event.ctrlKey || event.altKey || field || find("dialog[open]")) { return; }
  if (Date.now() - gone < 1000) {
    gone = 0;
    const to = find("[data-go=" + CSS.escape(event.key) + "]");
    if (to) { event.preventDefault(); to.click(); return; }
  }
  if (event.key === "g") { gone = Date.now(); return; }
  if (event.key === "/") {
    const search = find("main [type=search]");
    if (search) { event.preventDefault(); search.focus(); }
    return;
  }
  if (event.key === "?" && palette) { open("palette"); return; }
  if (/^[a-z]$/.test(event.key)) { find("main [data-key=" + event.key + "]")?.click(); }
  const rows = all("main .list tbody .first a");
  if ((event.key === "j" || event.key === "k") && rows.length) {
    const now = rows.findIndex((a) => a === document.activeElement || a.closest("tr").contains(document.activeElement));
    rows[Math.max(0, Math.min(rows.length - 1, event.key === "j" ? now + 1 : now - 1))].focus();
  }
  if (event.key === "x") { find("[type=checkbox]", document.activeElement.closest("tr") ?? undefined)?.click(); }
});

// After a form was not accepted, what is wrong comes first.
find("#problem")?.focus();
const toast = find("#toast");
if (toast && !toast.hidden) { setTimeout(() => { toast.hidden = true; }, 8000); }

// A form shows what it would do while it is filled in.
for (const form of all("form[data-preview]")) {
  let timer, turn = 0;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const mine = ++turn, body = new URLSearchParams(new FormData(form));
      body.set("preview", "yes");
      const response = await fetch(form.action, { method: "POST", body });
      if (!response.ok || mine !== turn) { return; }
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const now = document.getElementById(form.dataset.preview), fresh = page.getElementById(form.dataset.preview);
      const language = find("[name=language]:checked", now)?.value;
      if (fresh) { now.replaceChildren(...fresh.childNodes); }
      const same = language && find("[name=language][value=" + language + "]", now);
      if (same) { same.checked = true; }
    }, 250);
  });
}
