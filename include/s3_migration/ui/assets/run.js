import { airflow, ask, bytes, confirmed, element, fill, lasting, moment, number, rate, runbook, stopAndResume, watch } from "./page.js";

const asked = new URLSearchParams(location.search);
const dagId = asked.get("dag_id"), runId = asked.get("run_id");
// What is shown of the problems, which are paged by the server.
const filter = { problem: "", containing: "", pages: [""] };
let kinds = null, mayAct = false;
const runInAirflow = `dags/${encodeURIComponent(dagId)}/dagRuns/${encodeURIComponent(runId)}`;

// `inAirflow`: the run as Airflow has it, where it may be cleared.
function head(found, inAirflow) {
  const run = found.run;
  const state = run === null ? "not begun" : run.at_work ? "at work" : run.ended_at ? "ended" : "not at work, not ended";
  document.title = `${found.migration}: ${runId}`;
  fill("head",
    element("h1", {}, `${found.migration}: ${run ? run.mode : "run"} `, element("span", { class: `badge ${run?.at_work ? "" : "soft"}` }, state)),
    element("p", { class: "soft" }, `${found.legacy} → ${found.production}; rows: ${found.references.join(", ")}`),
    found.deletion_stopped && element("p", { class: "bad" }, `Deletion is stopped: ${found.deletion_stopped}`),
    run?.approval && run.approval.approved === null && element("p", { class: "warn" },
      "This run waits for a person's word before it deletes anything: on this run, Required Actions (asked at ",
      moment(run.approval.asked_at), ")."),
    run?.waits && element("p", {}, `${number(run.waits.objects)} objects wait for the end of their grace period: until `,
      moment(run.waits.until), " at the latest. A later move deletes them."),
    element("div", { class: "tools" }, stopAndResume(found, again), setPace(found), clearFailed(inAirflow)),
    paceSaid(found.pace) && element("p", { class: "warn" }, `A person has set the pace of this run: ${paceSaid(found.pace)}.`));
  mayAct = found.may_act;
}

function clearFailed(inAirflow) {
  if (!inAirflow || inAirflow.state === "success") return null;
  return element("button", {
    click: () => confirmed("Clear what failed?",
      "Each red task of this run is tried again; what is done is not repeated. Remove the cause first.", "Clear",
      async (reason) => {
        await airflow("PATCH", `${runInAirflow}?update_mask=note`, { note: `cleared: ${reason}` });
        await airflow("POST", `dags/${encodeURIComponent(dagId)}/clearTaskInstances`, { dag_run_id: runId, dry_run: false, only_failed: true, reset_dag_runs: true });
        await again();
      }),
  }, "Clear what failed");
}

const paceNames = { requests_in_flight: "S3 requests in flight, a task", parallel_chunks: "Chunks at once", max_lag: "Most lag of the replicas, seconds" };

function paceSaid(pace) {
  return Object.entries(pace ?? {}).filter(([, of]) => of.set !== null).map(([name, of]) => `${paceNames[name]} ${number(of.set)} (declared: ${number(of.declared)})`).join("; ");
}

function setPace(found) {
  if (!found.may_act || !found.run?.at_work) return null;
  const inputs = Object.entries(found.pace).map(([name, of]) => [name, element("input", {
    id: name, type: "number", min: 1, max: of.most, value: of.set ?? "", placeholder: `as declared: ${number(of.declared)}` })]);
  return element("button", {
    click: () => confirmed("Set the pace of this run?",
      "Its tasks take it on between two batches. Empty is as declared; chunks at once can only be fewer than declared.", "Set the pace",
      async (reason) => {
        await ask("pace", { dag_id: dagId, run_id: runId },
          { reason, ...Object.fromEntries(inputs.map(([name, input]) => [name, input.value === "" ? null : Number(input.value)])) });
        await again();
      },
      inputs.flatMap(([name, input]) => [element("label", { for: name }, paceNames[name]), input])),
  }, "Set the pace");
}

function acknowledge(problem) {
  return element("button", {
    click: () => confirmed(`Acknowledge the problem of ${problem.key}?`,
      `It is ${problem.problem}. From then on it turns no run red, and is still counted. The object stays as it is.`,
      "Acknowledge", async (reason) => {
        await ask("acknowledge", { dag_id: dagId, key: problem.key }, { reason });
        kinds = null;
        await again();
      }),
  }, "Acknowledge");
}

function bar(of) {
  const share = of.total === null ? null : of.total === 0 ? 1 : Math.min(1, of.done / of.total);
  // Not complete before it is: 99.96 % is no hundred.
  const percent = share === null ? "" : share === 1 ? "100 %" : `${share === 0 ? 0 : Math.min(99.9, share * 100).toFixed(share < 0.1 || share > 0.99 ? 1 : 0)} %`;
  const total = of.total === null ? "" : ` of ${of.about ? "about " : ""}${number(of.total)}`;
  const said = [`${number(of.done)}${total} ${of.unit}`];
  if (of.rate) said.push(rate(of.rate, of.unit));
  if (of.seconds_left !== null && share < 1) said.push(`about ${lasting(of.seconds_left)} left`);
  if (of.at_work) said.push("at work");
  const value = share === null ? {} : { "aria-valuenow": Math.floor(share * 100) };
  return element("div", { class: `bar ${share === 1 ? "complete" : ""}` },
    element("span", { class: "name" }, of.name),
    element("div", { class: "track", role: "progressbar", "aria-label": of.name, "aria-valuemin": 0, "aria-valuemax": 100,
      "aria-valuetext": said.join(", "), ...value },
    element("div", { class: "fill", style: `width: ${(share ?? 0) * 100}%` })),
    element("span", { class: "number" }, percent),
    element("span", { class: "said soft" }, said.join(" · ")));
}

function plot(found) {
  const steps = Object.entries(found.steps);
  if (!steps.length) return [];
  const width = 560, height = 190, left = 58, bottom = 24, top = 8;
  const most = Math.max(...steps.flatMap(([, points]) => points), 1);
  const x = (place, points) => left + (width - left - 8) * place / (points.length - 1);
  const y = (value) => top + (height - top - bottom) * (1 - value / most);
  const drawn = steps.map(([step, points]) => element("path", {
    d: points.map((value, place) => `${place ? "L" : "M"}${x(place, points).toFixed(1)} ${y(value).toFixed(1)}`).join(""),
    fill: "none", "stroke-width": 2, style: `stroke: var(--${step})`,
  }));
  const lines = [0, most / 2, most].map((value) => [
    element("line", { class: "axis", x1: left, x2: width - 8, y1: y(value), y2: y(value) }),
    element("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, number(value)),
  ]);
  const names = { copy: "copied", delete: "deleted" };
  const said = `Objects a second over ${lasting(found.seconds)}: at most ${number(most)}`;
  return [
    element("h2", { id: "throughput-title" }, "Objects a second"),
    element("div", { class: "legend" }, steps.map(([step]) => element("span", { style: `--of: var(--${step})` }, names[step] ?? step))),
    element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": said }, lines.flat(), drawn,
      element("text", { x: left, y: height - 6 }, "start"),
      element("text", { x: width - 8, y: height - 6, "text-anchor": "end" }, `after ${lasting(found.seconds)}`)),
  ];
}

function requests(found) {
  if (!found.length) return [];
  const most = Math.max(...found.map((each) => each.number));
  const well = (each) => /^(2\d\d|ok|)$/i.test(each.outcome);
  return [
    element("h2", { id: "requests-title" }, "S3 requests by outcome"),
    element("div", { class: "scrolled", tabindex: 0 }, element("table", {},
      element("thead", {}, element("tr", {}, ["Operation", "Outcome"].map((name) => element("th", { scope: "col" }, name)), element("th", { scope: "col", colspan: 2, class: "number" }, "Requests"))),
      element("tbody", {}, found.map((each) => element("tr", {},
        element("td", {}, each.operation),
        element("td", { class: well(each) ? "" : "warn" }, each.outcome || "ok"),
        element("td", { class: "plotted" }, element("div", { class: `share ${well(each) ? "" : "warn"}`, style: `width: ${(100 * each.number) / most}%` })),
        element("td", { class: "number" }, number(each.number))))))),
  ];
}

// -- problems: a table that the server filters and pages ---------------------------------------------------------------

async function showProblems() {
  if (!kinds) return;
  const total = kinds.kinds.reduce((sum, kind) => sum + kind.objects, 0);
  const title = element("h2", { id: "problems-title", class: total ? "bad" : "done" },
    total ? `${kinds.or_more ? "More than " : ""}${number(total)} problems of the migration` : "No problems");
  if (!total) { fill("problems", title); return; }
  const page = await ask("problems", { dag_id: dagId, problem: filter.problem, containing: filter.containing, after: filter.pages.at(-1) });
  const focused = document.activeElement?.id;
  const select = element("select", { id: "kind", change: (event) => { filter.problem = event.target.value; filter.pages = [""]; showProblems(); } },
    element("option", { value: "" }, "all kinds"),
    kinds.kinds.map((kind) => element("option", { value: kind.problem, selected: kind.problem === filter.problem },
      `${kind.problem}: ${number(kind.objects)}${kind.acknowledged ? `, ${number(kind.acknowledged)} acknowledged` : ""}`)));
  const search = element("input", { id: "containing", type: "search", value: filter.containing, placeholder: "part of the key",
    change: (event) => { filter.containing = event.target.value; filter.pages = [""]; showProblems(); } });
  const turn = (pages) => () => { filter.pages = pages; showProblems(); };
  fill("problems", title,
    element("div", { class: "tools" },
      element("label", { for: "kind" }, "Kind"), select, element("label", { for: "containing" }, "Key"), search,
      element("a", { href: `api/problems.csv?${new URLSearchParams({ dag_id: dagId, problem: filter.problem })}`, download: true }, "Download as CSV")),
    element("div", { class: "scrolled", tabindex: 0, role: "region", "aria-label": "Problems" }, element("table", {},
      element("thead", {}, element("tr", {}, ["Kind", "Key", "Row", "Error", "What is known", "Since", "What to do"].map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, page.problems.map((each) => element("tr", {},
        element("td", {}, each.problem, each.acknowledged ? element("div", { class: "soft" }, `acknowledged: ${each.acknowledged}`) : null),
        element("td", { class: "key" }, each.key),
        element("td", { class: "key" }, each.rows.map((row) => element("div", {}, row))),
        element("td", {}, each.error ?? "—"),
        element("td", { class: "text" }, each.detail ?? "—"),
        element("td", {}, moment(each.since)),
        element("td", {}, element("a", { href: runbook(each.advice, dagId) }, "runbook"),
          mayAct && !each.acknowledged ? [" ", acknowledge(each)] : null)))))),
    page.problems.length ? null : element("p", { class: "soft" }, "None of this kind and key."),
    (filter.pages.length > 1 || page.after !== null) && element("div", { class: "tools" },
      element("button", { disabled: filter.pages.length < 2, click: turn(filter.pages.slice(0, -1)) }, "Previous"),
      element("button", { disabled: page.after === null, click: turn([...filter.pages, page.after]) }, "Next")));
  if (focused) document.getElementById(focused)?.focus();
}

// -- all of it ----------------------------------------------------------------------------------------------------

async function look() {
  let found;
  try {
    found = await ask("run", { dag_id: dagId, run_id: runId });
  } catch (error) {
    if (error.status !== 404) throw error;
    // Airflow shows this tab with every DAG's runs.
    document.querySelector("main").replaceChildren(element("h1", {}, "No migration"), element("p", {}, error.message), element("footer", { id: "foot" }));
    return 600;
  }
  const run = found.run, mayClear = found.may_act && run !== null && !run.at_work;
  // Airflow may have forgotten a run that the ledger knows.
  head(found, mayClear ? await airflow("GET", runInAirflow).catch(() => null) : null);
  if (run === null) {
    fill("bars", element("p", {}, "This run has not begun to list yet: see its task check."));
  } else {
    fill("bars", run.bars.map(bar), run.bytes ? element("p", { class: "soft" }, `${bytes(run.bytes)} listed`) : null);
    fill("throughput", plot(run.throughput));
    fill("requests", requests(run.requests));
    fill("account",
      run.forecast.length && [element("h2", {}, "Forecast of a move"), element("dl", {}, run.forecast.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]))],
      run.account && [element("h2", { id: "account-title" }, "Account"), element("div", { class: "scrolled", tabindex: 0 }, element("pre", {}, run.account)),
      run.report && element("p", {}, "Completion report, a line for each object: ",
        element("a", { href: `api/report?${new URLSearchParams({ dag_id: dagId, run_id: runId })}`, download: "manifest.json" }, run.report))]);
  }
  const changed = JSON.stringify(kinds) !== JSON.stringify(found.problems);
  kinds = found.problems;
  if (changed) await showProblems();
  fill("foot", "As of ", moment(found.read_at), run?.at_work ? ", refreshed every 3 s" : "");
  return run?.at_work || run === null || !run.ended_at ? 3 : 15;
}

const again = watch(look);
