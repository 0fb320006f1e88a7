const { app, BrowserWindow } = require("electron");
// The floor of every Electron app: one sandboxed window with an editable paragraph, nothing else.
void app.whenReady().then(() => {
  const window = new BrowserWindow({
    width: 1200,
    height: 800,
    webPreferences: { sandbox: true, contextIsolation: true },
  });
  void window.loadFile("index.html");
});
app.on("window-all-closed", () => app.quit());
