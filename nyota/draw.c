/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Redrawing with ANSI: up by the lines drawn last, each line cleared and written anew. */
#include "nyota/draw.h"

#include <stdio.h>

struct Draw {
        Show *show;
        const Follow *follow;
        guint lines; /* drawn last, above the cursor */
        guint columns;
        guint idle, ticker;
        gint64 began_us;
        char *note;
        Tone note_tone;
};

Draw *draw_new(Show *show)
{
        Draw *d = g_new0(Draw, 1);
        d->show = show;
        d->began_us = g_get_monotonic_time();
        return d;
}

void draw_free(Draw *d)
{
        if (!d)
                return;
        g_clear_handle_id(&d->idle, g_source_remove);
        g_clear_handle_id(&d->ticker, g_source_remove);
        g_free(d->note);
        g_free(d);
}

static void put_line(Draw *d, GString *out, GString *line)
{
        g_string_append_printf(out, "\r\033[K%s\n", line->str);
        g_string_truncate(line, 0);
        d->lines++;
}

static void put_update(Draw *d, GString *out, GString *line, const FollowUpdate *u)
{
        guint left = d->columns;
        g_autofree char *time = show_seconds((double)(g_get_monotonic_time() - d->began_us) / G_USEC_PER_SEC);
        g_autofree char *what =
                g_strdup_printf(" %s -> %s, %s: ", show_version(u->from), show_version(u->to), u->strategy);
        g_autofree char *count = g_strdup_printf("  %u of %u  %s", u->done, u->all, time);
        const char *state = follow_is_lost(d->follow) ? "the service is away, waiting for it" : u->state;
        show_append(d->show, line, &left, TONE_STRONG, u->battery);
        show_append(d->show, line, &left, TONE_PLAIN, what);
        show_append(d->show, line, &left, tone_of_state(state), state);
        show_append(d->show, line, &left, TONE_PLAIN, count);
        if (*u->reason && !u->final) {
                show_append(d->show, line, &left, TONE_FAINT, "  ");
                show_append(d->show, line, &left, TONE_FAINT, u->reason);
        }
        put_line(d, out, line);
}

static void put_replicant(Draw *d, GString *out, GString *line, const FollowReplicant *r)
{
        guint left = d->columns;
        g_autofree char *name = g_strdup_printf("  %4u  ", r->id);
        g_autofree char *state = g_strdup_printf("%-9s", r->state);
        g_autofree char *version = g_strdup_printf("  %-10s  ", r->version);
        show_append(d->show, line, &left, TONE_PLAIN, name);
        show_append(d->show, line, &left, tone_of_state(r->state), state);
        show_append(d->show, line, &left, TONE_PLAIN, version);
        show_append(d->show, line, &left, tone_of_health(r->health), r->health);
        put_line(d, out, line);
}

/* What does not fit on the screen must be left out: a line scrolled away cannot be redrawn. Those that
 * have nothing more to come go first. */
static void put_replicants(Draw *d, GString *out, GString *line, const FollowUpdate *u, guint room)
{
        const GPtrArray *all = follow_replicants(d->follow);
        guint here = 0, shown = 0;
        for (guint i = 0; i < all->len; i++)
                here += g_str_equal(((FollowReplicant *)all->pdata[i])->battery, u->battery);
        gboolean crowded = here > room;
        for (guint i = 0; i < all->len && shown + crowded < room; i++) {
                const FollowReplicant *r = all->pdata[i];
                if (!g_str_equal(r->battery, u->battery))
                        continue;
                if (crowded && tone_of_state(r->state) != TONE_BUSY && tone_of_state(r->state) != TONE_BAD)
                        continue;
                put_replicant(d, out, line, r);
                shown++;
        }
        if (crowded) {
                g_string_printf(line, "        and %u more", here - shown);
                put_line(d, out, line);
        }
}

static void draw_now(Draw *d)
{
        guint rows;
        const GPtrArray *updates = follow_updates(d->follow);
        g_autoptr(GString) out = g_string_new(NULL), line = g_string_new(NULL);
        if (d->lines > 0)
                g_string_append_printf(out, "\033[%uA", d->lines);
        d->lines = 0;
        show_size(&d->columns, &rows);
        /* one row for the note, one for the cursor, one for each heading */
        guint room = (MAX(rows, updates->len + 4) - updates->len - 2) / MAX(updates->len, 1);
        for (guint i = 0; i < updates->len; i++) {
                put_update(d, out, line, updates->pdata[i]);
                put_replicants(d, out, line, updates->pdata[i], MAX(room, 2));
        }
        guint left = d->columns;
        show_append(d->show, line, &left, d->note_tone, d->note ? d->note : "");
        put_line(d, out, line);
        g_string_append(out, "\033[J"); /* a display that became shorter leaves nothing below */
        fputs(out->str, stdout);
        fflush(stdout);
}

static gboolean on_idle(gpointer user)
{
        Draw *d = user;
        d->idle = 0;
        draw_now(d);
        return G_SOURCE_REMOVE;
}

static gboolean on_tick(gpointer user)
{
        draw_soon(user);
        return G_SOURCE_CONTINUE;
}

void draw_start(Draw *d, const Follow *f)
{
        d->follow = f;
        d->ticker = g_timeout_add_seconds(1, on_tick, d);
        draw_now(d);
}

void draw_soon(Draw *d)
{
        if (d->follow && !d->idle)
                d->idle = g_idle_add(on_idle, d);
}

void draw_note(Draw *d, const Event *event)
{
        g_free(d->note);
        d->note = event_to_text(event);
        d->note_tone = event_tone(event) == TONE_BAD ? TONE_BAD : TONE_FAINT;
        draw_soon(d);
}

void draw_finish(Draw *d)
{
        g_clear_handle_id(&d->idle, g_source_remove);
        g_clear_handle_id(&d->ticker, g_source_remove);
        if (d->follow)
                draw_now(d);
}
