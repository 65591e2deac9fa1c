// SPDX-License-Identifier: GPL-2.0-or-later
// Put at the end of a copy of a report in a frame: looks at what the browser made of it, makes the frame as high as the
// page, and leaves what it found in the document around it as JSON.
(() => {
	const MIN_HEIGHT = 8; // px of a line of text
	const MIN_CONTRAST = 4.5; // of text to what is behind it
	const TOUCH = 1; // px by which boxes of text may run into each other
	const problems = [];
	const hidden = (e) => !e.checkVisibility() || e.closest("title, desc, head") ||
		[...ancestors(e)].some((a) => getComputedStyle(a).clipPath !== "none");
	const round = (r) => [r.left, r.top, r.right, r.bottom].map((n) => Math.round((n + Number.EPSILON) * 10) / 10);

	function* ancestors(e) {
		for (; e instanceof Element; e = e.parentElement)
			yield e;
	}

	// Every line of text that is to be seen, with its box.
	function lines() {
		const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
		const ret = [];

		for (let node = walker.nextNode(); node; node = walker.nextNode()) {
			const element = node.parentElement, range = document.createRange();

			if (!node.data.trim() || element.closest("script, style") || hidden(element))
				continue;
			range.selectNodeContents(node);
			const svg = element.closest("svg");
			const boxes = svg ? [element.getBoundingClientRect()] : [...range.getClientRects()];
			for (const box of boxes)
				if (box.width > 0)
					ret.push({text: node.data.trim().slice(0, 40), node, element, svg, box});
		}
		return ret;
	}

	function luminance(colour) {
		const [r, g, b] = colour.match(/[\d.]+/g).slice(0, 3).map((n) => {
			const c = n / 255;
			return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
		});
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	}

	function contrast(line) {
		const behind = [...ancestors(line.element)].map((e) => getComputedStyle(e).backgroundColor)
			.find((c) => !/, 0\)$/.test(c)) || "rgb(255, 255, 255)";
		const style = getComputedStyle(line.element);
		const [a, b] = [luminance(line.svg ? style.fill : style.color), luminance(behind)].sort((x, y) => y - x);
		return (a + 0.05) / (b + 0.05);
	}

	function look_at_line(line) {
		const {box, text, svg} = line;

		if (box.left < -0.5 || box.right > innerWidth + 0.5)
			problems.push(`"${text}" leaves the window: ${round(box)}`);
		if (box.height < MIN_HEIGHT)
			problems.push(`"${text}" is too small: ${round(box)}`);
		if (contrast(line) < MIN_CONTRAST)
			problems.push(`"${text}" has a contrast of ${contrast(line).toFixed(2)}`);
		if (!svg)
			return;
		const frame = svg.getBoundingClientRect();
		if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 ||
		    box.bottom > frame.bottom + 1)
			problems.push(`"${text}" leaves ${svg.id}: ${round(box)} in ${round(frame)}`);
	}

	function look_for_overlaps(all) {
		const sorted = [...all].sort((a, b) => a.box.top - b.box.top);

		sorted.forEach((a, i) => {
			for (const b of sorted.slice(i + 1)) {
				if (b.box.top > a.box.bottom)
					break;
				const width = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
				const height = Math.min(a.box.bottom, b.box.bottom) - b.box.top;
				if (a.node !== b.node && width > TOUCH && height > TOUCH + 1)
					problems.push(`"${a.text}" and "${b.text}" overlap: ` +
						`${round(a.box)} and ${round(b.box)}`);
			}
		});
	}

	// The colours that have to be seen in a picture: of what is drawn with some size.
	function colours(svg) {
		const ret = new Set();

		for (const e of svg.querySelectorAll("path.curve, rect, path[class^='s-'], path[class^='m-']")) {
			const style = getComputedStyle(e), box = e.getBBox();
			if (e.closest("g.bar") && box.width < 3 || e.matches(".band, .gap"))
				continue;
			if (e.matches("path[class^='s-']") && (box.width < 4 || box.height < 4))
				continue;
			ret.add(e.matches("path.curve") ? style.stroke : style.fill);
		}
		return [...ret];
	}

	// What is behind the middle of each bar that can be seen: itself.
	function bars(svg) {
		return [...svg.querySelectorAll("rect.part, rect[data-count]")].map((e) => {
			const box = e.getBoundingClientRect();
			return {x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2, width: box.width,
				height: box.height, colour: getComputedStyle(e).fill};
		}).filter((bar) => bar.width >= 3 && bar.height >= 3);
	}

	const all = lines();
	all.forEach(look_at_line);
	look_for_overlaps(all);
	if (document.documentElement.scrollWidth > innerWidth)
		problems.push(`the page is ${document.documentElement.scrollWidth} px wide`);
	frameElement.style.height = `${document.documentElement.scrollHeight}px`;
	const out = parent.document.createElement("script");
	out.type = "application/json";
	out.className = "layout";
	out.textContent = JSON.stringify({
		width: innerWidth,
		height: document.documentElement.scrollHeight,
		dark: matchMedia("(prefers-color-scheme: dark)").matches,
		page: getComputedStyle(document.body).backgroundColor,
		lines: all.length,
		pictures: [...document.querySelectorAll("svg")].map((svg) => {
			const box = svg.getBoundingClientRect();
			return {id: svg.id, box: [box.left, box.top, box.right, box.bottom], colours: colours(svg),
				bars: bars(svg)};
		}),
		problems,
	});
	parent.document.body.append(out);
})();
