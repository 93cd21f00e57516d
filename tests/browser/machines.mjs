/* machines.mjs - the client machines and the server's own commands, as a test calls them. */
import { execFile, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

/* Run to the end: {code, out, err}. */
export function run(program, words) {
    return new Promise((resolve) => {
        execFile(program, words, { timeout: 30000 }, (error, out, err) =>
            resolve({ code: error ? error.code ?? 1 : 0, out, err }));
    });
}

/* Ask until the answer is true; resolves to it. */
export async function until(what, probe, seconds = 15, pause_ms = 50) {
    const end = Date.now() + seconds * 1000;
    for (;;) {
        const answer = await probe();
        if (answer) {
            return answer;
        }
        if (Date.now() > end) {
            throw new Error(`${what}: not within ${seconds} s`);
        }
        await sleep(pause_ms);
    }
}

async function succeed(program, words) {
    const done = await run(program, words);
    if (done.code !== 0) {
        throw new Error(`${program} ${words.join(" ")}: exit ${done.code}: ${done.err}`);
    }
    return done.out;
}

export class Machine {
    constructor(fleet, name) {
        Object.assign(this, { program: `${fleet.bin}/kitbag`, dir: `${fleet.dir}/${name}`, name });
        this.agent = null;
    }

    kitbag(...words) {
        return succeed(this.program, ["--data", this.dir, ...words]);
    }

    async status() {
        return JSON.parse(await this.kitbag("status", "-o", "json"));
    }

    /* What is kept of an item here; null when nothing is. */
    async get(user, item) {
        const done = await run(this.program, ["--data", this.dir, "get", user, item]);
        return done.code === 0 ? done.out : null;
    }

    async keeps(user) {
        const users = JSON.parse(await this.kitbag("users", "-o", "json"));
        return users.some((one) => one.name === user);
    }

    startAgent() {
        this.agent = spawn(this.program, ["--data", this.dir, "agent"], { stdio: "ignore" });
        return until(`${this.name} is connected`, async () =>
            (await this.status().catch(() => ({}))).connected);
    }

    stopAgent() {
        this.agent?.kill("SIGKILL");
    }
}

export class Fleet {
    constructor(told) {
        Object.assign(this, told); /* {address, password, bin, dir, data, machines: [name]} */
        this.machines = told.machines.map((name) => new Machine(this, name));
    }

    /* kitbagctl on the server machine; what it prints as JSON. */
    async ctl(...words) {
        return JSON.parse(await succeed(`${this.bin}/kitbagctl`,
            ["--data", this.data, ...words, "-o", "json"]));
    }

    async has(kind, name) {
        const done = await run(`${this.bin}/kitbagctl`, ["--data", this.data, kind, "show", name]);
        return done.code === 0;
    }

    async head() {
        return (await this.ctl("status")).seq;
    }
}
