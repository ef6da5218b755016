// What charts do besides being there: numbers under the pointer, outcomes that can be
// switched off, and ranges that are chosen by dragging. All numbers come from the chart's
// table, so what is shown is what a screen reader reads.
'use strict'
{
  const element = (name, parent) => parent.appendChild(Object.assign(document.createElement('div'), { className: name, hidden: true }))

  // A legend's entries become buttons that switch their series.
  const legend = chart => {
    for (const entry of chart.querySelectorAll('.legend li')) {
      const button = document.createElement('button')
      button.type = 'button'
      button.setAttribute('aria-pressed', 'true')
      button.append(...entry.childNodes)
      button.addEventListener('click', () => {
        const on = button.getAttribute('aria-pressed') !== 'true'
        button.setAttribute('aria-pressed', on)
        for (const path of chart.querySelectorAll('.plot path')) {
          if (path.classList.contains(entry.dataset.series)) path.classList.toggle('off', !on)
        }
      })
      entry.append(button)
    }
  }

  // values shows one bucket: its time, and what isn't 0.
  const values = (tip, chart, table, row) => {
    const swatches = new Map([...chart.querySelectorAll('.legend li')].map(li => [li.dataset.series, li.querySelector('svg')]))
    const heads = [...table.tHead.rows[0].cells]
    tip.replaceChildren(...[...row.cells].flatMap((cell, i) => {
      if (i > 0 && cell.textContent === '0') return []
      const line = document.createElement('div')
      if (i === 0) line.append(cell.textContent)
      else {
        const number = document.createElement('b')
        number.textContent = cell.textContent
        const swatch = swatches.get(heads[i].dataset.series)
        line.append(...(swatch ? [swatch.cloneNode(true)] : []), heads[i].textContent, number)
      }
      return [line]
    }))
  }

  // choose asks the page for a range; a form that can show it answers.
  const choose = (plot, rows, from, to) => {
    const at = i => rows[i].querySelector('time').dateTime
    plot.dispatchEvent(new CustomEvent('range', { bubbles: true, detail: { from: at(from), to: at(to) } }))
  }

  const pointer = (chart, plot) => {
    const table = document.getElementById(plot.dataset.table)
    const rows = [...table.tBodies[0].rows]
    const cross = element('cross', plot), selected = element('selected', plot), tip = element('values', plot)
    let from = null
    const bucket = e => {
      const box = plot.getBoundingClientRect()
      return Math.max(0, Math.min(rows.length - 1, Math.floor((e.clientX - box.left) / box.width * rows.length)))
    }
    const end = () => { from = null; selected.hidden = true }
    plot.addEventListener('pointermove', e => {
      const i = bucket(e), width = plot.clientWidth / rows.length, x = (i + .5) * width
      cross.hidden = tip.hidden = false
      cross.style.left = x + 'px'
      values(tip, chart, table, rows[i])
      tip.style.left = (x > plot.clientWidth / 2 ? x - tip.offsetWidth - 14 : x + 14) + 'px'
      if (from === null) return
      selected.hidden = false
      selected.style.left = Math.min(from, i) * width + 'px'
      selected.style.width = (Math.abs(i - from) + 1) * width + 'px'
    })
    plot.addEventListener('pointerleave', () => { cross.hidden = tip.hidden = true })
    plot.addEventListener('pointerdown', e => {
      if (e.button !== 0 || e.pointerType === 'touch') return
      from = bucket(e)
      plot.setPointerCapture(e.pointerId)
    })
    plot.addEventListener('pointerup', e => {
      if (from !== null && bucket(e) !== from) choose(plot, rows, Math.min(from, bucket(e)), Math.max(from, bucket(e)))
      end()
    })
    plot.addEventListener('pointercancel', end)
  }

  const begin = () => {
    for (const chart of document.querySelectorAll('.chart:not([data-ready])')) {
      chart.dataset.ready = ''
      legend(chart)
      for (const plot of chart.querySelectorAll('.plot')) pointer(chart, plot)
    }
  }
  begin()
  document.addEventListener('htmx:after:swap', begin) // parts of the page that came later
}
