import { mount } from "svelte";
import App from "./App.svelte";
import { apiOf } from "./api.ts";
import "./styles/tokens.css";
import "./styles/base.css";

const target = document.getElementById("app");
if (target === null) throw new Error("index.html has no #app");
mount(App, { target, props: { apiOf } });
