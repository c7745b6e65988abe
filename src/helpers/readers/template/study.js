"use strict";
(() => {
  const one = (selector) => document.querySelector(selector);
  const { study, images } = JSON.parse(one("#told").textContent);
  const CODE = /^[A-Za-z0-9][A-Za-z0-9-]{0,19}$/;
  const PREFIX = `reader-study:${study}:`;
  const root = document.documentElement;
  const answerForm = one("#answer");
  let reader = null; // code, experience and answers of the one who answers now
  let order = [];    // image ids, in this reader's order
  let seconds = 0;   // this image was seen for, before it was hidden last
  let since = null;  // when it came into view; null while it is hidden
  let asked = "";    // the question that the next digit answers, where S or D said so
  let saved = true;  // whether all answers are kept by the browser or in a file

  // theme: the system decides until the button does
  const themeButton = one("#theme"), systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : systemDark.matches;
  const labelTheme = () => { themeButton.textContent = isDark() ? "Light" : "Dark"; themeButton.setAttribute("aria-label", `Use the ${isDark() ? "light" : "dark"} theme`); };
  themeButton.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; labelTheme(); });
  systemDark.addEventListener("change", labelTheme);
  labelTheme();

  // what the browser keeps; it may refuse, as in a private window
  const store = {
    works() { try { localStorage.setItem(`${PREFIX}?`, "1"); localStorage.removeItem(`${PREFIX}?`); return true; } catch { return false; } },
    write() { try { localStorage.setItem(PREFIX + reader.code, JSON.stringify(reader)); return true; } catch { return false; } },
    read(code) {
      try {
        const kept = JSON.parse(localStorage.getItem(PREFIX + code));
        const good = kept && kept.code === code && Array.isArray(kept.answers) && kept.answers.every((each) => each && each.image in images);
        return good ? kept : null;
      } catch { return null; }
    },
    forget(code) { try { localStorage.removeItem(PREFIX + code); } catch { /* nothing was kept */ } },
    codes() { try { return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX)).map((key) => key.slice(PREFIX.length)); } catch { return []; } },
  };
  const warnOfStorage = () => { one("#no-storage").hidden = false; one("#kept-here").hidden = true; };

  // a reader's own order: the ids sorted by a hash (FNV-1a, mixed as in MurmurHash3) of study, code and id
  const hash = (text) => {
    let h = 0x811c9dc5;
    for (const sign of text) h = Math.imul(h ^ sign.codePointAt(0), 0x01000193);
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return (h ^ (h >>> 16)) >>> 0;
  };
  const orderFor = (code) => Object.keys(images)
    .map((id) => [hash(`${study} ${code} ${id}`), id])
    .sort((a, b) => a[0] - b[0] || (a[1] < b[1] ? -1 : 1))
    .map((pair) => pair[1]);

  const show = (name) => { for (const part of ["start", "task", "end"]) one(`#${part}`).hidden = part !== name; scrollTo(0, 0); };
  const say = (text) => { one("#status").textContent = text; };

  // start
  const listUnfinished = () => {
    const list = one("#unfinished-list");
    list.replaceChildren();
    for (const code of store.codes().sort()) {
      const kept = store.read(code);
      if (!kept) continue;
      const item = document.createElement("li"), button = document.createElement("button");
      button.type = "button";
      button.textContent = `Go on as ${code} (${kept.answers.length} of ${Object.keys(images).length} answered)`;
      button.addEventListener("click", () => begin(kept));
      item.append(button);
      list.append(item);
    }
    one("#unfinished").hidden = !list.children.length;
  };
  const begin = (who) => {
    reader = who;
    order = orderFor(reader.code);
    root.classList.toggle("no-keys", !one("#keys").checked);
    if (reader.answers.length < order.length) next(); else finish();
  };
  one("#start-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const field = one("#code"), code = field.value.trim(), good = CODE.test(code) && code !== "machine"; // which is the code of a program
    one("#code-error").textContent = good ? "" : "Please give a code of 1 to 20 letters, digits and dashes, such as R1.";
    field.setAttribute("aria-invalid", String(!good));
    if (good) begin(store.read(code) || { code, experience: one("#experience").value || null, answers: [] }); else field.focus();
  });

  // one image
  const next = () => {
    const place = reader.answers.length;
    answerForm.reset();
    asked = "";
    one("#missing").textContent = "";
    one("#task-title").textContent = `Image ${place + 1} of ${order.length}`;
    one("#progress").value = place;
    show("task");
    seconds = 0;
    since = null;
    const picture = one("#picture");
    picture.src = images[order[place]];
    picture.decode().catch(() => null).then(() => { if (!document.hidden) since = performance.now(); });
    one("#task-title").focus({ preventScroll: true });
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && since !== null) { seconds += (performance.now() - since) / 1000; since = null; }
    else if (!document.hidden && since === null) since = performance.now();
  });
  const chosen = (name) => answerForm.elements[name].value;
  answerForm.addEventListener("submit", (event) => {
    event.preventDefault();
    const names = { computed: "photograph or computed", confidence: "how sure you are", diagnosis: "the diagnosis" };
    const open = Object.keys(names).filter((name) => !chosen(name));
    one("#missing").textContent = open.length ? `Still to say: ${open.map((name) => names[name]).join("; ")}.` : "";
    if (open.length) return;
    if (since !== null) seconds += (performance.now() - since) / 1000;
    const place = reader.answers.length;
    reader.answers.push({
      image: order[place], computed: chosen("computed") === "computed", diagnosis: chosen("diagnosis"),
      confidence: Number(chosen("confidence")), seconds: Math.round(seconds * 10) / 10, position: place + 1,
    });
    saved = store.write();
    if (!saved) warnOfStorage();
    if (reader.answers.length < order.length) next(); else finish();
  });
  answerForm.addEventListener("change", () => { if (!one("#missing").textContent) return; one("#missing").textContent = ""; });

  // keys
  const choose = (name, value) => {
    const radio = Array.from(answerForm.elements[name]).find((each) => each.value === value);
    if (!radio) return false;
    radio.checked = true;
    asked = "";
    one("#missing").textContent = "";
    say(radio.parentElement.textContent.trim());
    return true;
  };
  const digit = (number) => {
    const name = asked || ["confidence", "diagnosis"].find((each) => !chosen(each)) || "diagnosis";
    const radio = answerForm.elements[name][number - 1];
    return radio ? choose(name, radio.value) : false;
  };
  document.addEventListener("keydown", (event) => {
    if (one("#task").hidden || root.classList.contains("no-keys") || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const key = event.key.toLowerCase();
    let done = false;
    if (key === "p") done = choose("computed", "photograph");
    else if (key === "c") done = choose("computed", "computed");
    else if (key === "s" || key === "d") { asked = key === "s" ? "confidence" : "diagnosis"; done = true; say(asked === "confidence" ? "How sure: a digit" : "Diagnosis: a digit"); }
    else if (/^[1-9]$/.test(key)) done = digit(Number(key));
    else if (key === "enter" && event.target.tagName !== "BUTTON") { answerForm.requestSubmit(); done = true; }
    if (done) event.preventDefault();
  });

  // the file
  const save = () => {
    const content = { format: "reader-study-answers", version: 1, study, reader: reader.code, experience: reader.experience, answers: reader.answers };
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([`${JSON.stringify(content, null, 1)}\n`], { type: "application/json" }));
    link.download = `answers-${study}-${reader.code}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    saved = true;
    say("The answers were saved as a file.");
  };
  one("#save").addEventListener("click", save);
  one("#save-part").addEventListener("click", save);
  const sayKept = (kept) => { one("#kept-here").hidden = !kept; one("#removed-here").hidden = kept; };
  const finish = () => {
    if (store.works()) sayKept(true);
    show("end");
    one("#end-title").focus({ preventScroll: true });
  };
  one("#forget").addEventListener("click", () => {
    if (!confirm("Remove the answers from this browser? A file that you saved stays.")) return;
    store.forget(reader.code);
    sayKept(false);
    say("The answers were removed from this browser.");
  });
  const welcome = () => { one("#start-form").reset(); listUnfinished(); show("start"); };
  one("#another").addEventListener("click", () => {
    if (!saved && !confirm("The answers were not saved. Go on without them?")) return;
    saved = true;
    welcome();
  });
  addEventListener("beforeunload", (event) => { if (!saved) event.preventDefault(); });

  if (!store.works()) warnOfStorage();
  listUnfinished();
})();
