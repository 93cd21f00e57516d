/* made_up.js - a password that nobody chose. Pure but for the randomness that it is given. */

/* Without those that are mistaken for others (0 o, 1 l i), as the server's own. */
const LETTERS = "23456789abcdefghjkmnpqrstuvwxyz";
const GROUPS = 4;
const GROUP_LETTERS = 5;

const systemBytes = (count) => crypto.getRandomValues(new Uint8Array(count));

/* "v8bmz-ssvg5-4rknw-zne6s". Each letter is as likely as any other: bytes that would favour the
 * first ones are thrown away. */
export function madeUpPassword(random = systemBytes) {
    const limit = 256 - (256 % LETTERS.length);
    const letters = [];
    while (letters.length < GROUPS * GROUP_LETTERS) {
        for (const byte of random(32)) {
            if (byte < limit && letters.length < GROUPS * GROUP_LETTERS) {
                letters.push(LETTERS[byte % LETTERS.length]);
            }
        }
    }
    return letters.join("").replace(/.{5}(?=.)/g, "$&-");
}
