"use strict";
(() => {
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
  const one = (selector, within = document) => within.querySelector(selector);
  const root = document.documentElement;
  const unfold = (element) => { for (let fold = element.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true; };
  const say = (text) => { one("#status").textContent = ""; setTimeout(() => { one("#status").textContent = text; }, 30); };

  // theme: the reader's system decides until the button does
  const themeButton = one('[data-action="theme"]');
  const stored = { get() { try { return localStorage.getItem("report-theme"); } catch { return null; } },
                   set(value) { try { localStorage.setItem("report-theme", value); } catch { /* a private window */ } } };
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : systemDark.matches;
  const label = () => { themeButton.textContent = isDark() ? "Light" : "Dark"; themeButton.setAttribute("aria-label", `Use the ${isDark() ? "light" : "dark"} theme`); };
  if (["light", "dark"].includes(stored.get())) root.dataset.theme = stored.get();
  systemDark.addEventListener("change", label);
  themeButton.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; stored.set(root.dataset.theme); label(); });
  label();

  // code: folded one by one, opened all at once
  const codeButton = one('[data-action="code"]');
  if (codeButton) codeButton.addEventListener("click", () => {
    const open = codeButton.getAttribute("aria-pressed") !== "true";
    const folds = all("details.source");
    folds.forEach((fold) => { if (open) unfold(fold); else fold.open = false; });
    if (open) { (one("section.supplement") ?? folds[0]).scrollIntoView(); say("The code is shown in the supplement, below what it made."); }
    codeButton.setAttribute("aria-pressed", String(open));
    codeButton.textContent = open ? "Hide all code" : "Show all code";
  });

  // contents: closed on a narrow screen, and following the reading
  const fold = one(".contents details");
  if (fold) {
    const narrow = matchMedia("(max-width: 62rem)");
    const fit = () => { fold.open = !narrow.matches; };
    narrow.addEventListener("change", fit);
    fit();
    const links = new Map(all(".contents a").map((link) => [decodeURIComponent(link.hash.slice(1)), link]));
    const targets = Array.from(links.keys(), (id) => document.getElementById(id)).filter(Boolean);
    const mark = () => {
      const passed = targets.filter((target) => target.getBoundingClientRect().top < innerHeight * 0.3);
      const atEnd = innerHeight + scrollY >= root.scrollHeight - 4;
      const current = atEnd ? targets.at(-1) : passed.at(-1) ?? targets[0];
      links.forEach((link, id) => {
        if (current && id === current.id) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
      });
      all(".contents li.open").forEach((item) => item.classList.remove("open"));
      const link = current && links.get(current.id);
      link?.closest(".contents details > ol > li")?.classList.add("open");
      const nav = one(".contents");
      if (link && !narrow.matches && (link.offsetTop < nav.scrollTop + 40 || link.offsetTop > nav.scrollTop + nav.clientHeight - 60)) nav.scrollTop = link.offsetTop - nav.clientHeight / 2;
    };
    const observer = new IntersectionObserver(mark, { rootMargin: "0px 0px -70% 0px", threshold: [0, 1] });
    targets.forEach((target) => observer.observe(target));
    let waiting = false; // the last part may be too short to reach the observer's line
    addEventListener("scroll", () => { if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; mark(); }); } }, { passive: true });
    fold.addEventListener("click", (event) => { if (narrow.matches && event.target.closest("a")) fold.open = false; });
    mark();
  }

  // folds: a link, an address or a search into one opens it and those around it
  const reveal = (id) => {
    const target = id && document.getElementById(id);
    if (!target) return;
    unfold(target);
    target.scrollIntoView();
  };
  const named = () => { try { return decodeURIComponent(location.hash.slice(1)); } catch { return ""; } };
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && document.getElementById(link.hash.slice(1))?.closest("details")) reveal(link.hash.slice(1));
  });
  addEventListener("hashchange", () => reveal(named()));
  reveal(named());
  const supplement = one("section.supplement");
  if (supplement) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "unfold";
    const parts = () => all("details.part");
    const name = () => { button.textContent = parts().every((part) => part.open) ? "Close all folds" : "Open all folds"; };
    button.addEventListener("click", () => { const open = !parts().every((part) => part.open); parts().forEach((part) => { part.open = open; }); });
    parts().forEach((part) => part.addEventListener("toggle", name));
    one("h2", supplement).after(button);
    name();
  }

  // the picture of contrasts: one metric in view, and how to read it
  all(".chart .pick").forEach((pick) => {
    const select = one("select", pick), panels = all("[data-metric]", pick.parentElement);
    const show = () => panels.forEach((panel) => { panel.hidden = panel.dataset.metric !== select.value; });
    pick.hidden = select.options.length < 2;
    select.addEventListener("change", show);
    show(); // a browser may remember the choice
  });

  // tables with a slider: the texts of every place are data
  all("figure.moved").forEach((figure) => {
    const { places, rows } = JSON.parse(figure.dataset.steps);
    const input = one("input", figure), cells = Array.from(one("tbody", figure).rows, (row) => Array.from(row.cells).slice(1));
    const move = () => {
      const place = Number(input.value);
      one("output", figure).textContent = places[place];
      input.setAttribute("aria-valuetext", places[place]);
      all(".dim", figure).forEach((dim) => { dim.style.left = places[place].replace(" ", ""); });
      cells.forEach((row, number) => row.forEach((cell, column) => { cell.textContent = rows[number][place][column]; }));
    };
    input.hidden = false;
    input.addEventListener("input", move);
    move();
  });

  // figures: a click enlarges
  const viewer = one("dialog.viewer");
  all(".enlarge").forEach((button) => button.addEventListener("click", () => {
    const image = one("img", button), caption = one("figcaption", button.closest("figure"));
    one("img", viewer).src = image.src;
    one("img", viewer).alt = image.alt;
    one("figcaption", viewer).textContent = caption ? caption.textContent : "";
    viewer.showModal();
  }));
  viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });

  // pictures with more behind their images: a button on each image shows it below the picture
  const make = (name, className, parent) => { const made = document.createElement(name); made.className = className; parent.append(made); return made; };
  all("figure[data-behind]").forEach((figure, which) => {
    const { sprite, side, spots, note } = JSON.parse(figure.dataset.behind);
    const image = one("img", figure), layer = make("div", "spots", one(".pan", figure));
    const panel = make("div", "behind", figure), title = make("p", "", panel), row = make("div", "tiles", panel), sheet = new Image();
    panel.id = `behind-${which}`;
    panel.hidden = true;
    panel.setAttribute("role", "status");
    make("p", "hint", one("figcaption", figure)).textContent = "Choose a synthetic image to see the training images nearest to it.";
    const draw = (place, words) => {
      const tile = make("figure", "", row), canvas = make("canvas", "", tile);
      canvas.width = canvas.height = side;
      canvas.setAttribute("aria-hidden", "true");
      canvas.getContext("2d").drawImage(sheet, place * side, 0, side, side, 0, 0, side, side);
      make("figcaption", "", tile).textContent = words;
    };
    const buttons = spots.map(({ box, name, tiles }) => {
      const button = make("button", "spot", layer);
      button.type = "button";
      button.setAttribute("aria-label", `${name}: show the training images nearest to it`);
      button.setAttribute("aria-expanded", "false");
      button.setAttribute("aria-controls", panel.id);
      ["left", "top", "width", "height"].forEach((key, number) => { button.style[key] = `${box[number]}%`; });
      button.addEventListener("click", async () => {
        const open = button.getAttribute("aria-expanded") !== "true";
        buttons.forEach((other) => other.setAttribute("aria-expanded", String(open && other === button)));
        panel.hidden = !open;
        if (!open) return;
        if (!sheet.src) sheet.src = sprite;
        await sheet.decode();
        title.textContent = `${name}. ${note}`;
        row.replaceChildren();
        tiles.forEach(([place, words]) => draw(place, words));
      });
      return button;
    });
    const fit = () => ["Left", "Top", "Width", "Height"].forEach((key) => { layer.style[key.toLowerCase()] = `${image[`offset${key}`]}px`; });
    const observer = new ResizeObserver(fit); // of the box too: words above the image appear where it is narrow
    [image, one(".pan", figure)].forEach((part) => observer.observe(part));
  });

  // what pans sideways says so, and fades at the edge behind which there is more
  all(".pan, .scroll").forEach((box) => {
    const edge = () => {
      const hidden = box.scrollWidth - box.clientWidth, names = one("tbody th:first-child", box);
      box.toggleAttribute("data-wide", hidden > 8);
      box.toggleAttribute("data-more", hidden - box.scrollLeft > 8);
      box.toggleAttribute("data-pinned", Boolean(names) && hidden > 8 && names.offsetWidth < 0.45 * box.clientWidth);
    };
    box.addEventListener("scroll", edge, { passive: true });
    new ResizeObserver(edge).observe(box);
  });

  // tables: sorted by a click on a heading, copied as CSV
  const text = (cell) => cell.textContent.replace(/\s+/g, " ").trim();
  const number = (cell) => {
    if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
    const found = text(cell).replace(/\u2212/g, "-").replace(/,(?=\d{3})/g, "").match(/^[+-]?\d*\.?\d+(e[+-]?\d+)?/i);
    return found ? Number(found[0]) : NaN;
  };
  const compare = (a, b, numeric) => numeric ? number(a) - number(b) : text(a).localeCompare(text(b), undefined, { numeric: true });
  const sort = (table, column, heading) => {
    const descending = heading.getAttribute("aria-sort") === "ascending";
    const body = table.tBodies[0], rows = Array.from(body.rows);
    // words among numbers, such as "too few", stand last
    const filled = rows.filter((row) => text(row.cells[column]) && text(row.cells[column]) !== "\u2013");
    const numeric = 2 * filled.filter((row) => !Number.isNaN(number(row.cells[column]))).length > filled.length;
    const empty = (row) => numeric && Number.isNaN(number(row.cells[column]));
    rows.sort((a, b) => empty(a) - empty(b) || (descending ? -1 : 1) * compare(a.cells[column], b.cells[column], numeric));
    body.append(...rows);
    table.classList.add("sorted");
    all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  };
  const csv = (table) => Array.from(table.rows, (row) => Array.from(row.cells, (cell) => {
    const value = text(cell).replace(/\u2212/g, "-");
    return /[",\n]/.test(value) ? `"${value.replace(/"/g, '""')}"` : value;
  }).join(",")).join("\n") + "\n";
  const copy = async (content) => {
    try { await navigator.clipboard.writeText(content); return true; } catch { /* not allowed from a file in some browsers */ }
    const area = document.createElement("textarea");
    area.value = content;
    area.style.position = "fixed";
    area.style.opacity = "0";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  all("figure:not(.moved) > .scroll > table, .prose .scroll > table, .output .scroll > table").forEach((table) => {
    const plain = !one("[rowspan]:not([rowspan='1'])", table) && table.tBodies.length === 1 && table.tHead;
    const last = table.tHead?.rows[table.tHead.rows.length - 1];
    const regular = plain && Array.from(table.tBodies[0].rows).every((row) => row.cells.length === last.cells.length);
    if (regular && table.tBodies[0].rows.length > 1) Array.from(last.cells).forEach((heading, column) => {
      if (!text(heading)) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.title = "Sort by this column";
      heading.append(button);
      button.addEventListener("click", () => sort(table, column, heading));
    });
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy as CSV";
    button.addEventListener("click", async () => {
      const done = await copy(csv(table));
      button.textContent = done ? "Copied" : "Could not copy";
      say(button.textContent);
      setTimeout(() => { button.textContent = "Copy as CSV"; }, 1800);
    });
    table.closest(".scroll").after(button);
  });
})();
