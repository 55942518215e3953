import { ask, bytes, element, fill, moment, number, runbook, stopAndResume, watch } from "./page.js";

function pairs(...entries) {
  return element("dl", {}, entries.filter(Boolean).flatMap(([name, ...value]) => [element("dt", {}, name), element("dd", {}, ...value)]));
}

function card(entry) {
  const title = element("h2", {}, entry.migration, " ",
    entry.at_work ? element("span", { class: "badge" }, "at work") : null,
    entry.paused ? element("span", { class: "badge soft" }, "paused") : null);
  const route = element("p", { class: "soft" }, `${entry.legacy} → ${entry.production}; rows: ${entry.references.join(", ")}`);
  if (entry.error) return element("section", {}, title, route, element("p", { class: "bad" }, entry.error));
  const last = entry.runs[0];
  const rows = Object.entries(entry.rows_left);
  const total = entry.problems.kinds.reduce((sum, kind) => sum + kind.objects, 0);
  return element("section", { "aria-label": entry.migration }, title, route,
    entry.deletion_stopped && element("p", { class: "bad" }, `Deletion is stopped: ${entry.deletion_stopped}`),
    pairs(
      ["Last run", last ? `${last.run_id}, ${last.mode}${last.partial ? ", a part of legacy" : ""}, began ` : "none yet", last ? moment(last.began_at) : "", last?.ended_at ? ", ended " : "", last?.ended_at ? moment(last.ended_at) : ""],
      ["Left in legacy", entry.as_of ? `${number(entry.in_legacy)} objects, ${number(entry.waiting)} of them in their grace period; as of ` : "not known before the first run that changes anything", entry.as_of ? moment(entry.as_of) : ""],
      entry.as_of && ["Moved by that run", `${number(entry.moved)} objects`],
      entry.as_of && ["Rows still to switch", rows.length ? rows.map(([name, left]) => `${name}: ${number(left)}`).join("; ") : "none counted"],
      ["Problems", total ? element("span", { class: "bad" }, `${entry.problems.or_more ? "more than " : ""}${number(total)}: ${entry.problems.kinds.map((kind) => `${number(kind.objects)} ${kind.problem}`).join(", ")}`) : element("span", { class: "done" }, "none")],
      ["Runs in a row without a problem", number(entry.nights_without_problem)],
      ["Deletion from legacy", `by a run of mode move alone, ${entry.grace_period} after the switch of the rows at the earliest`],
      ["Next run", entry.next_run && !entry.paused ? moment(entry.next_run) : "by hand", entry.next_run && !entry.paused ? `, mode ${entry.scheduled_mode}` : ""],
    ),
    element("div", { class: "tools" }, stopAndResume(entry, again)));
}

async function look() {
  const found = await ask("migrations");
  const chosen = document.getElementById("migration");
  const before = chosen.value;
  fill("migration", found.migrations.map((entry) => element("option", { value: entry.dag_id, selected: entry.dag_id === before }, entry.migration)));
  fill("migrations", found.migrations.length ? found.migrations.map(card)
    : element("p", {}, "There is no migration that you may see. A declaration is a file in include/migrations/."));
  fill("foot", "As of ", moment(found.read_at));
  return 10;
}

// -- one object ---------------------------------------------------------------------------------------------------

function story(of) {
  return [
    element("h2", {}, of.key, " ", element("span", { class: `badge ${of.problem ? "bad" : ""}` }, of.state)),
    element("p", {}, of.meaning, of.advice ? [" (", element("a", { href: runbook(of.advice, document.getElementById("migration").value) }, "what to do"), ")"] : null),
    of.detail && element("p", { class: "bad" }, of.error ? `${of.error}: ` : "", of.detail),
    of.acknowledged && element("p", {}, `acknowledged: ${of.acknowledged}`),
    pairs(["Copy", of.copy], ["Size", of.size === null ? "—" : bytes(of.size)],
      ...Object.entries(of.paths).map(([name, [before, after]]) => [`Path in ${name}`, `${before} → ${after}`])),
    element("ol", { class: "story" }, of.events.map((event) => element("li", {}, event.what, event.at ? " " : "", event.at ? moment(event.at) : "", element("span", { class: "soft" }, ` · ${event.how}`)))),
  ];
}

document.getElementById("search").addEventListener("submit", async (event) => {
  event.preventDefault();
  const asked = document.getElementById("asked").value;
  try {
    const { found, rows, tried } = await ask("object", { dag_id: document.getElementById("migration").value, asked });
    fill("story", rows.map((row) => element("p", {}, `Row ${asked} (${row.reference}) holds ${row.path}`)), found.flatMap(story),
      found.length === 0 && element("p", {}, `The ledger does not know ${asked}. ` + (tried.length
        ? `Looked for: ${tried.join(", ")}. A run that lists legacy makes it known, if legacy holds it.`
        : "It begins with no prefix of this migration, of keys or of paths, and no row of that id names an object.")));
  } catch (error) {
    fill("story", element("p", { class: "bad" }, error.message));
  }
});

const again = watch(look);
