import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { ensureBuilt } from "./bootstrap/build.mjs";
import { ensurePackages } from "./bootstrap/packages.mjs";
import { say, stop } from "./bootstrap/say.mjs";
import { ensureSystemPackages } from "./bootstrap/system-packages.mjs";
import { playwrightFailures, vitestFailures } from "./failures.mjs";
import { NODE, ROOT, inParallel, run, toolEnvironment, toolScript } from "./run.mjs";

const RESULTS = path.join(ROOT, "test-results");
const WIDTH = 2;
/** Vitest projects in the order they run; each is a folder of test/. */
const PROJECTS = ["unit", "property", "vectors", "contract", "ui", "architecture", "simulation", "integration"];

const seconds = (from) => `${((performance.now() - from) / 1000).toFixed(0)} s`;
/** Files named *.netns.* build networks of their own, which only root may. CI must run them; elsewhere they are left out loudly. */
const leavesOutNetworks = process.env.CI !== "true" && process.getuid?.() !== 0;
const hasTests = (folder) => {
  const full = path.join(ROOT, "test", folder);
  return existsSync(full) && readdirSync(full, { recursive: true }).some((name) => /\.(test|spec)\.ts$/.test(name));
};

const readReport = (file) => {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    say(`no readable report ${path.relative(ROOT, file)} (${error.code ?? error.name})`);
    return undefined;
  }
};

/** Counts of one suite. A suite that ended badly without naming a failed test counts as one failure: no silent loss. */
const counted = (passed, failed, code, failures) => ({
  passed,
  failed: failed === 0 && code !== 0 ? 1 : failed,
  failures,
});

const runChecks = async () => {
  const { checkSteps } = await import("./check-steps.mjs");
  const results = await inParallel(
    checkSteps().map((step) => async () => {
      const from = performance.now();
      const { code, output } = await run(NODE, step.args);
      console.log(`${code === 0 ? "ok    " : "FAILED"} ${step.name} (${seconds(from)})`);
      if (code !== 0) console.log(output.trimEnd());
      return code === 0;
    }),
    WIDTH,
  );
  const passed = results.filter(Boolean).length;
  return { passed, failed: results.length - passed, failures: [] };
};

const runProject = async (project) => {
  const report = path.join(RESULTS, `${project}.json`);
  const args = ["run", "--config", "test/vitest.config.ts", "--root", ".", "--project", project];
  if (leavesOutNetworks) args.push("--exclude", "**/*.netns.*");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const { code } = await run(NODE, [toolScript("vitest"), ...args, ...reporters], { inherit: true });
  const summary = readReport(report);
  if (summary === undefined) return { passed: 0, failed: 1, failures: [] };
  const unfinished = summary.numPendingTests + summary.numTodoTests;
  if (unfinished > 0) say(`${project}: ${unfinished} tests did not run; each counts as failed`);
  return counted(summary.numPassedTests, summary.numFailedTests + unfinished, code, vitestFailures(summary));
};

const runEndToEnd = async (args) => {
  const report = path.join(RESULTS, "e2e.json");
  const left = leavesOutNetworks ? ["--grep-invert", "netns"] : [];
  const cli = toolScript("playwright", "@playwright/test");
  const { code } = await run(NODE, [cli, "test", "--config", "test/e2e/playwright.config.ts", ...left, ...args], {
    inherit: true,
    env: toolEnvironment({ ELECTRON_RUN_AS_NODE: undefined }),
  });
  const summary = readReport(report);
  if (summary === undefined) return { passed: 0, failed: 1, failures: [] };
  const { expected, unexpected, flaky, skipped } = summary.stats;
  if (skipped > 0) say(`e2e: ${skipped} tests did not run; each counts as failed`);
  return counted(expected, unexpected + flaky + skipped, code, playwrightFailures(summary));
};

/** Fetches, builds and installs what Electron and the network tests need, or stops and says what is missing. */
const prepareSystem = async () => {
  await ensureSystemPackages(["electron", "display", "keychain", "network", "compile", "image", "machine", "sandbox"]);
  const { ensureElectron, runtimeNotice } = await import("./bootstrap/electron-runtime.mjs");
  const { ensureSqliteBinding } = await import("./bootstrap/sqlite-binding.mjs");
  const electron = await ensureElectron();
  const notice = runtimeNotice(electron);
  if (notice) say(notice);
  await ensureSqliteBinding(electron.version);
  await ensureBuilt();
};

const SUITES = [
  { name: "checks", run: runChecks },
  ...PROJECTS.filter(hasTests).map((name) => ({ name, run: () => runProject(name) })),
  { name: "e2e", run: () => runEndToEnd(process.argv.slice(3)) },
];

const main = async () => {
  const only = process.argv[2];
  const suites = only === undefined ? SUITES : SUITES.filter(({ name }) => name === only);
  if (suites.length === 0) stop(`unknown suite ${only}; there are: ${SUITES.map(({ name }) => name).join(", ")}`);
  await ensurePackages();
  if (only === undefined || only === "integration" || only === "contract") await ensureSystemPackages(["database"]);
  if (only === undefined || only === "integration" || only === "e2e") await prepareSystem();
  if (leavesOutNetworks)
    say("not root: tests that build networks (*.netns.*) are left out; run `sudo npm test` for all.");
  mkdirSync(RESULTS, { recursive: true });
  for (const { name } of suites) rmSync(path.join(RESULTS, `${name}.json`), { force: true });
  const total = { passed: 0, failed: 0 };
  const lines = [];
  for (const suite of suites) {
    const from = performance.now();
    console.log(`\n== ${suite.name}`);
    const { passed, failed, failures } = await suite.run();
    total.passed += passed;
    total.failed += failed;
    lines.push(
      ...failures,
      `${failed === 0 ? "ok    " : "FAILED"} ${suite.name}: ${passed} passed, ${failed} failed (${seconds(from)})`,
    );
  }
  console.log(`\n${lines.join("\n")}\n`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  process.exit(total.failed === 0 ? 0 : 1);
};

await main();
