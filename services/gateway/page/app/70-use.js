// Keys, colours, pointers, start.

const stored = (key, value) => {
  try {
    if (value === undefined) return localStorage.getItem(key);
    localStorage.setItem(key, value);
  } catch {
    /* no storage: nothing is remembered */
  }
  return null;
};
const THEMES = ['system', 'light', 'dark'];
function theme(name) {
  if (name === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  $('theme').setAttribute('aria-label', `Colours: ${name === 'system' ? 'as the system' : name}`);
  $('theme').title = `Colours: ${name === 'system' ? 'as the system' : name}`;
  stored('vision-theme', name);
}
const nextTheme = () => theme(THEMES[(THEMES.indexOf(stored('vision-theme') || 'system') + 1) % 3]);

const KEYS = [
  ['/', 'search'],
  ['← → Home End', 'move in the blocks'],
  ['Enter', 'open the block'],
  ['[ ]', 'previous and next block'],
  ['c', 'command of the panel'],
  ['t', 'colours'],
  ['?', 'this list'],
  ['Esc', 'back'],
];
function help(open = $('help').hidden) {
  const box = $('help');
  if (open && !box.firstChild) {
    const on = h('input', { type: 'checkbox', id: 'keys-on' });
    on.checked = stored('vision-keys') !== 'off';
    on.addEventListener('change', () => stored('vision-keys', on.checked ? 'on' : 'off'));
    box.append(
      h('h2', { id: 'help-t' }, 'Keys'),
      h(
        'dl',
        null,
        KEYS.map(([key, text]) => [h('dt', null, h('kbd', null, key)), h('dd', null, text)]),
      ),
      h('p', null, h('label', null, on, ' Single keys are on')),
    );
  }
  box.hidden = !open;
  if (open) {
    box.tabIndex = -1;
    box.focus();
  }
}

function move(key) {
  const list = S.blocks.filter((block) => block.height > 0).slice(-64);
  if (!list.length) return;
  const now = list.findIndex((block) => block.height === S.sel);
  const at = now < 0 ? list.length - 1 : now;
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: list.length - 1 }[key];
  S.sel = list[Math.min(list.length - 1, Math.max(0, to))].height;
  select(S, S.now(), true);
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches?.('input:not([type=checkbox]):not([type=file]), textarea, select');
  if (event.key === 'Escape') {
    if (!$('help').hidden) help(false);
    else if ($('others').open) $('others').open = false;
    else if (typing) event.target.blur();
    else if (!$('view').hidden) location.hash = '#/';
    else if (S.sel !== null) {
      S.sel = null;
      select(S, S.now());
    }
    return;
  }
  if (typing) return;
  if (event.target.closest?.('.ribbon') && ['ArrowLeft', 'ArrowRight', 'Home', 'End'].includes(event.key)) {
    event.preventDefault();
    move(event.key);
    return;
  }
  if (stored('vision-keys') === 'off' && event.key !== '?') return;
  const act = {
    '/': () => $('q').focus(),
    '?': () => help(),
    t: nextTheme,
    '[': () => view.near?.[0] !== null && view.near && (location.hash = '#/block/' + view.near[0]),
    ']': () => view.near?.[1] && (location.hash = '#/block/' + view.near[1]),
    c: () =>
      (document.activeElement.closest?.('[data-p], .card') || ($('view').hidden ? $('next') : $('view')))
        .querySelector('.cmd')
        ?.click(),
  }[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
}

function pointers() {
  const ribbon = $('ribbon');
  const pick = (event) => {
    const height = /#\/block\/(\d+)/.exec(event.target.closest?.('.col')?.getAttribute('href') || '')?.[1];
    if (height === undefined || event.pointerType === 'touch') return;
    S.sel = Number(height);
    select(S, S.now());
  };
  ribbon.addEventListener('pointerover', pick);
  ribbon.addEventListener('focusin', pick);
  ribbon.addEventListener('pointerleave', (event) => {
    if (event.pointerType !== 'touch' && !ribbon.contains(document.activeElement)) {
      S.sel = null;
      select(S, S.now());
    }
  });
  let touched = false;
  ribbon.addEventListener('pointerdown', (event) => {
    touched = event.pointerType === 'touch';
  });
  ribbon.addEventListener('click', (event) => {
    const height = /#\/block\/(\d+)/.exec(event.target.closest?.('.col')?.getAttribute('href') || '')?.[1];
    if (touched && height !== undefined) {
      event.preventDefault();
      S.sel = Number(height);
      select(S, S.now());
    }
  });
  document.addEventListener('pointerover', (event) => {
    const el = event.target.closest?.('.t');
    if (el?._ms) el.title = when(el._ms);
  });
}

function start() {
  theme(stored('vision-theme') || 'system');
  for (const panel of document.querySelectorAll('[data-p]'))
    commandButton(
      panel,
      COMMANDS[panel.dataset.p],
      panel.querySelector('h2').id === 'next-t' ? 'Next' : panel.querySelector('h2').textContent,
    );
  $('find').addEventListener('submit', (event) => {
    event.preventDefault();
    const text = $('q').value.trim();
    if (!text) return;
    $('q').value = '';
    $('q').blur();
    location.hash = '#/search/' + encodeURIComponent(text);
  });
  $('theme').addEventListener('click', nextTheme);
  document.addEventListener('keydown', keys);
  document.addEventListener('click', (event) => {
    if (!event.target.closest('#others')) $('others').open = false;
  });
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) {
      tickAges(S.now());
      watchSilence();
    }
    planned = false;
    changed();
  });
  addEventListener('hashchange', route);
  for (const id of ['bar', 'tree', 'interval', 'propagation']) widths.observe($(id));
  fileDrop();
  pointers();
  route();
  setInterval(tick, 100);
  run();
}
start();
