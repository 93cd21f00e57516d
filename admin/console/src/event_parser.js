/* event_parser.js - server-sent events out of pieces of text, as the HTML standard says. Pure. */

export class EventParser {
    #rest = "";
    #event = { id: "", name: "", data: [] };

    /* Take the next piece of the stream; returns the events that are complete now: {id, name,
     * data}. */
    push(text) {
        const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
        this.#rest = lines.pop();
        return lines.map((line) => this.#line(line)).filter((event) => event !== null);
    }

    #line(line) {
        if (line === "") {
            return this.#end();
        }
        const at = line.indexOf(":");
        const field = at < 0 ? line : line.slice(0, at);
        const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
        if (field === "data") {
            this.#event.data.push(value);
        } else if (field === "event") {
            this.#event.name = value;
        } else if (field === "id") {
            this.#event.id = value; /* stays for the events that follow */
        }
        return null;
    }

    #end() {
        const { id, name, data } = this.#event;
        this.#event = { id, name: "", data: [] };
        return data.length > 0 ? { id, name: name || "message", data: data.join("\n") } : null;
    }
}
