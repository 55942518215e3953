// What both pages use: elements (always as text, never as HTML: a key may be named <script>), numbers, times, requests.

export function element(tag, attributes = {}, ...children) {
  const made = document.createElementNS(svgTags.has(tag) ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const svgTags = new Set(["svg", "path", "line", "text", "title"]);

export function fill(id, ...children) {
  const place = document.getElementById(id);
  place.replaceChildren(...children.flat().filter(Boolean));
  return place;
}

// A place in the runbook, with the commands of this migration.
export const runbook = (place, dagId) =>
  `../docs/${place.replace("#", `?migration=${encodeURIComponent(dagId.replace(/^migrate_/, ""))}#`)}`;

// -- numbers and times ----------------------------------------------------------------------------------------------

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });

export const number = (value) => whole.format(value);

export function rate(value, unit) {
  return `${value < 10 ? short.format(value) : whole.format(value)} ${unit}/s`;
}

export function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let place = 0;
  while (value >= 1000 && place < units.length - 1) { value /= 1000; place += 1; }
  return `${place ? short.format(value) : whole.format(value)} ${units[place]}`;
}

export function lasting(seconds) {
  if (seconds < 1) return "under 1 s";
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${short.format(seconds / 3600)} h`;
  return `${short.format(seconds / 86400)} days`;
}

export function moment(iso) {
  if (!iso) return "—";
  const at = new Date(iso);
  const said = at.toISOString();
  return element("time", { datetime: iso, title: at.toLocaleString() }, `${said.slice(0, 10)} ${said.slice(11, 19)} UTC`);
}

// -- the theme of the UI around ---------------------------------------------------------------------------------------

function theme() {
  let around = null;
  try {
    const outer = window.parent.document.documentElement;
    if (window.parent !== window) around = outer.classList.contains("dark") || outer.dataset.theme === "dark" ? "dark" : "light";
  } catch { /* another site's frame */ }
  return around ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

function followTheme() {
  document.documentElement.dataset.theme = theme();
}

followTheme();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", followTheme);
try {
  if (window.parent !== window) {
    new MutationObserver(followTheme).observe(window.parent.document.documentElement, { attributes: true });
  }
} catch { /* the same */ }

// -- requests -----------------------------------------------------------------------------------------------------

export async function ask(path, parameters = {}, body = undefined) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value));
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  return send(`api/${path}?${query}`, options);
}

// Of Airflow's own API, with the rights of whoever looks.
export function airflow(method, path, body) {
  return send(`../../api/v2/${path}`, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

async function send(url, options) {
  const answer = await fetch(url, { credentials: "same-origin", ...options });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const detail = typeof said.detail === "string" ? said.detail : JSON.stringify(said.detail ?? answer.statusText);
    const error = new Error(answer.status === 401 ? "You are logged out. Log in again, then reload this page." : detail);
    throw Object.assign(error, { status: answer.status });
  }
  return said;
}

// Again and again, as long as the page is seen: `look` answers after how many seconds.
export function watch(look) {
  let timer = null;
  const again = async () => {
    clearTimeout(timer);
    if (document.hidden) return;
    let seconds = 15;
    try {
      seconds = await look();
      document.getElementById("foot").classList.remove("bad");
    } catch (error) {
      fill("foot", `Not up to date: ${error.message}`).classList.add("bad");
    }
    timer = setTimeout(again, seconds * 1000);
  };
  document.addEventListener("visibilitychange", again);
  again();
  return again;
}

// -- an action: a confirmation with a reason -------------------------------------------------------------------------

export function confirmed(title, text, label, act, fields = []) {
  const reason = element("textarea", { id: "reason", required: true, minlength: 3, maxlength: 500 });
  const said = element("p", { class: "bad", role: "alert" });
  const form = element("form", { method: "dialog" },
    element("h2", {}, title), element("p", {}, text), ...fields,
    element("label", { for: "reason" }, "Reason, for whoever finds this later"), reason, said,
    element("div", { class: "tools" },
      element("button", { type: "button", click: () => dialog.close() }, "Cancel"),
      element("button", { class: "danger" }, label)));
  const dialog = element("dialog", { close: () => dialog.remove() }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const buttons = form.querySelectorAll("button");
    buttons.forEach((button) => { button.disabled = true; });
    try {
      await act(reason.value);
      dialog.close();
    } catch (error) {
      said.textContent = error.message;
      buttons.forEach((button) => { button.disabled = false; });
    }
  });
  document.body.append(dialog);
  dialog.showModal();
}

export function stopAndResume(entry, again) {
  const where = { dag_id: entry.dag_id };
  if (!entry.may_act) return null;
  if (entry.deletion_stopped === null || entry.deletion_stopped === undefined) {
    return element("button", {
      class: "danger",
      click: () => confirmed(`Stop all deletion of ${entry.migration}?`,
        "No further batch begins, whatever run is at work; this waits until what is on its way has ended.",
        "Stop deletion", async (reason) => { await ask("stop", where, { reason }); await again(); }),
    }, "Stop all deletion");
  }
  return element("button", {
    click: () => confirmed(`Let deletion of ${entry.migration} go on?`,
      `It was stopped: ${entry.deletion_stopped}. After this, clear what it made red.`,
      "Resume deletion", async (reason) => { await ask("resume", where, { reason }); await again(); }),
  }, "Resume deletion");
}
