import { app } from "electron";
import { readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

/**
 * An app around the app that is measured (--measured=FOLDER): it marks when what happens and prints the marks as one line
 * once an editor can be typed into and was painted. Times are Unix milliseconds.
 */
const now = () => performance.timeOrigin + performance.now();
const marks = { mainStarted: now() };

/** Runs in the page; two animation frames after the editor is there it has been painted. */
const watch = `new Promise((resolve) => {
  const at = () => performance.timeOrigin + performance.now();
  const seen = { pageLoaded: at() };
  const look = () => {
    if (document.querySelector('[role="option"]')) seen.listed ??= at();
    if (!document.querySelector('.ProseMirror[contenteditable="true"]')) return;
    observer.disconnect();
    seen.editable = at();
    requestAnimationFrame(() => requestAnimationFrame(() => resolve({ ...seen, painted: at() })));
  };
  const observer = new MutationObserver(look);
  observer.observe(document, { subtree: true, childList: true, attributes: true });
  look();
})`;

const mark = (name) => () => {
  marks[name] = now();
};
const report = (seen) => {
  process.stdout.write(`${JSON.stringify({ ...marks, ...seen })}\n`);
};
app.once("ready", mark("appReady"));
app.once("browser-window-created", mark("windowCreated"));
app.once("web-contents-created", (_event, contents) => {
  contents.once("did-navigate", mark("navigated"));
  contents.once("dom-ready", () => void contents.executeJavaScript(watch).then(report));
});

const folder = process.argv.find((argument) => argument.startsWith("--measured=")).slice("--measured=".length);
const manifest = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
app.setName(manifest.productName ?? manifest.name);
app.setVersion(manifest.version);
app.setAppPath(folder);
await import(pathToFileURL(path.join(folder, manifest.main)).href);
mark("mainLoaded")();
