import { mount } from "svelte";
import { createApi } from "../../../app/contract/create-api.ts";
import App from "../../../renderer/src/App.svelte";
import "../../../renderer/src/styles/base.css";
import "../../../renderer/src/styles/tokens.css";
import { createFakeNode } from "../support/fake-transport.ts";
import { NOW } from "../support/sample-world.ts";
import { createScene } from "./scenes.ts";

const name = new URLSearchParams(location.search).get("scene") ?? "workspace";
const scene = createScene(name);
const started = performance.now();
Date.now = () => NOW + Math.floor(performance.now() - started);

const node = createFakeNode(scene.world, scene.overrides);
Object.assign(window, { node });
const target = document.getElementById("app");
if (target !== null)
  mount(App, { target, props: { apiOf: (identity?: string) => createApi(node.transport, identity) } });
