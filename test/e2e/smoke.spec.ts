import { expect, test } from "./fixtures.ts";

test("the app opens a window on its own page", async ({ app, keepScreenshot }) => {
  await expect(app.page).toHaveURL("app://p2pcollab/index.html");
  await expect(app.page).toHaveTitle("p2pcollab");
  await keepScreenshot("smoke");
});

test("the page has the contract's door and nothing of Node", async ({ app }) => {
  const seen = await app.page.evaluate(() => ({
    door: Object.keys((globalThis as unknown as { p2pcollab: object }).p2pcollab).toSorted(),
    require: typeof (globalThis as { require?: unknown }).require,
    process: typeof (globalThis as { process?: unknown }).process,
  }));
  expect(seen).toEqual({ door: ["invoke", "subscribe"], require: "undefined", process: "undefined" });
});

test("the page cannot reach the network, open windows or leave", async ({ app }) => {
  const reached = await app.page.evaluate(async () => {
    try {
      await fetch("http://127.0.0.1:9/");
      return true;
    } catch {
      return false;
    }
  });
  expect(reached).toBe(false);
  // In a task of its own, because the inspector exempts what it evaluates itself from the page's policy.
  const evaluated = await app.page.evaluate(
    () =>
      new Promise((resolve) => {
        setTimeout(() => {
          try {
            // oxlint-disable-next-line typescript/no-implied-eval -- the page must refuse exactly this
            resolve(new Function("return 1")());
          } catch (error) {
            resolve((error as Error).name);
          }
        });
      }),
  );
  expect(evaluated).toBe("EvalError");
  await app.page.evaluate(() => {
    window.open("https://example.invalid/");
    location.href = "https://example.invalid/";
  });
  const shown = await app.application.evaluate(({ BrowserWindow }) =>
    BrowserWindow.getAllWindows().map((window) => window.webContents.getURL()),
  );
  expect(shown).toEqual(["app://p2pcollab/index.html"]);
});
