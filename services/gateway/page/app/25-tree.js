// The fork tree.

const OUTLINE = {
  primary: 'M-6-9H6a3 3 0 0 1 3 3V6a3 3 0 0 1-3 3H-6a3 3 0 0 1-3-3V-6a3 3 0 0 1 3-3z',
  backup: 'M-6-9H4l5 5V6a3 3 0 0 1-3 3H-6a3 3 0 0 1-3-3V-6a3 3 0 0 1 3-3z',
  tail: 'M0-11 9-5V6a3 3 0 0 1-3 3H-6a3 3 0 0 1-3-3V-5z',
};
const STRIPES = { backup: 'M-8-1 0-9M-8 6 6-8M0 8 8 0', tail: 'M-8 2H8M-8 6H8', missed: 'M-7 3 3-7M-3 7 7-3' };

function tree(S, now) {
  const box = $('tree');
  const width = box._width;
  if (!width) return;
  const head = headOf(S);
  if (!head || !head.height) {
    put($('tree-sub'), '');
    put($('tree-note'), '');
    return put(box, 'empty', () => h('p', { class: 'empty' }, 'Blocks and what they replaced will appear here.'));
  }
  const want = width < 460 ? Math.max(8, Math.min(11, Math.floor(width / 38))) : 16;
  const chain = S.blocks.filter((block) => block.height > 0).slice(-want);
  const low = chain[0].height;
  const side = S.tree.filter((block) => !block.canonical && block.height >= low && block.height <= head.height);
  const digit = digits(S);
  const final = finalHeight(S);
  const heads = new Map();
  const left = [];
  for (const node of S.nodes) {
    if (node.height === undefined || node.height === null) continue;
    if (node.height < low) left.push(node);
    else {
      const at = Math.min(node.height, head.height);
      heads.set(at, [...(heads.get(at) || []), node.name]);
    }
  }
  put($('tree-sub'), [chain.length, side.length], () => [
    `last ${plural(chain.length, 'height')} · `,
    side.length ? h('span', { class: 'warn' }, plural(side.length, 'replaced block')) : 'one branch, no forks',
  ]);
  const notes = left.slice(0, 4).map((node) => {
    const behind = plural(node.behind ?? head.height - node.height, 'block');
    return `${node.name} is ${behind} behind, left of this picture (head ${num(node.height)}).`;
  });
  if (left.length > 4) notes.push(`So are ${left.length - 4} more.`);
  put($('tree-note'), notes.join(' '));
  put(box, [width, low, chain.map((block) => block.hash), side, final, [...heads], [...digit]], () => {
    const gap = (width - 40) / Math.max(1, want - 1);
    const x = (height) => 20 + (height - low) * gap;
    const levels = new Map();
    for (const block of side) levels.set(block, side.filter((one) => one.height === block.height).indexOf(block) + 1);
    const up = Math.max(0, ...levels.values());
    const base = 26 + up * 32;
    const marks = [...heads]
      .filter(([height]) => height >= low)
      .sort((a, b) => b[0] - a[0])
      .slice(0, 3)
      .reverse();
    const total = base + 32 + marks.length * 18;
    const svg = s('svg', { width, height: total, role: 'img', 'aria-label': treeWords(S, chain, side, final) });
    const cut = Math.min(Math.max(final, low - 1), head.height);
    svg.append(s('path', { d: `M${x(low)} ${base}H${x(Math.max(low, cut))}`, class: 'c-axis' }));
    if (cut < head.height)
      svg.append(s('path', { d: `M${x(Math.max(low, cut))} ${base}H${x(head.height)}`, class: 'c-dash' }));
    const node = (block, cx, cy, replaced) => {
      const kind = kindOf(S, block.slot);
      svg.append(
        s('path', {
          d: OUTLINE[kind],
          transform: `translate(${cx} ${cy})`,
          class: replaced ? 's-replaced over' : 's-' + kind,
        }),
      );
      if (STRIPES[kind] && !replaced)
        svg.append(s('path', { d: STRIPES[kind], transform: `translate(${cx} ${cy})`, class: 's-stripe' }));
      const text = digit.get(block.producer);
      if (text) svg.append(s('text', { x: cx, y: cy + 4, class: 'digit ' + (replaced ? 'replaced' : kind) }, text));
    };
    for (const block of side) {
      const cy = base - levels.get(block) * 32,
        cx = x(block.height);
      const from = block.height > low ? x(block.height - 1) : cx - gap;
      const onSide = side.find((one) => one.hash === block.parent);
      const py = onSide ? base - levels.get(onSide) * 32 : base;
      svg.append(
        s('path', {
          d: onSide
            ? `M${from + 9} ${py}L${cx - 9} ${cy}`
            : `M${from + 7} ${py - 7}C${from + gap / 2} ${py - 20} ${cx - gap / 2} ${cy} ${cx - 9} ${cy}`,
          class: 'c-warn',
        }),
      );
      node(block, cx, cy, true);
    }
    for (const block of chain) node(block, x(block.height), base, false);
    const newest = side.reduce(
      (best, block) => ((block.replaced_at_ms || 0) > (best?.replaced_at_ms || -1) ? block : best),
      null,
    );
    if (newest) {
      const because = String(newest.replaced_because || '').replace(/^[A-Z_]+: /, '');
      const cx = x(newest.height),
        right = cx < width * 0.6;
      const text = s('text', {
        x: right ? cx + 16 : cx - 16,
        y: base - levels.get(newest) * 32 + 4,
        class: 'ink' + (right ? '' : ' end'),
      });
      text.append('replaced');
      if (newest.replaced_at_ms) {
        const ago = s('tspan', { class: 't' }, span(now - newest.replaced_at_ms));
        ago._ms = newest.replaced_at_ms;
        text.append(' ', ago, ' ago');
      }
      if (because && width > 460) text.append(': ' + because);
      text.append(s('title', null, `${newest.replaced_because || 'replaced'}`));
      svg.append(text);
    }
    if (final >= low && final < head.height) {
      const cx = x(final) + gap / 2;
      svg.append(
        s('path', { d: `M${cx} ${base - 17}v34`, class: 'c-axis' }),
        s('text', { x: cx - 5, y: base - 13, class: 'end' }, width < 460 ? 'final' : 'final up to here'),
      );
    }
    const step = want > 11 ? 3 : 4;
    for (const block of chain)
      if ((block.height - low) % step === 0 && (head.height - block.height >= 2 || !marks.length))
        svg.append(s('text', { x: x(block.height), y: base + 25, class: 'mid' }, num(block.height)));
    marks.forEach(([height, names], i) => {
      const cx = x(height),
        y = base + 38 + i * 18;
      const who = names.length > 4 ? plural(names.length, 'node') : [...names].sort().join(', ');
      const right = cx > width * 0.4;
      svg.append(
        s('path', { d: `M${cx} ${base + 11}V${y}h${right ? -6 : 6}`, class: 'c-axis' }),
        s(
          'text',
          { x: right ? cx - 10 : cx + 10, y: y + 4, class: 'ink' + (right ? ' end' : '') },
          `head ${num(height)} of ${who}`,
        ),
      );
    });
    return svg;
  });
}
const treeWords = (S, chain, side, final) =>
  `Blocks ${num(chain[0].height)} to ${num(chain[chain.length - 1].height)} in one line, final up to ${num(final)}; ` +
  (side.length
    ? side.map((block) => `block ${num(block.height)} of ${nameOf(S, block.producer)} was replaced`).join('; ')
    : 'no forks') +
  '.';
