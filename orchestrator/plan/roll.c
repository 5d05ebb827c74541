/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* While a roll runs: which step may begin now. The floor is looked at anew each time, for what others do
 * (a crash, a person's stop) counts as well. */
#include "orchestrator/plan/plan.h"

int roll_next(const RollStep *steps, guint n, const RollView *view)
{
        guint running = 0;
        int blocked = ROLL_NONE;
        for (guint i = 0; i < n; i++)
                running += steps[i].running;
        if (running >= view->width)
                return ROLL_NONE;
        for (guint i = 0; i < n; i++) {
                if (!steps[i].waiting)
                        continue;
                if (!steps[i].canary && !view->canary_open)
                        return ROLL_NONE;
                if (!steps[i].active || view->override || view->active > view->floor)
                        return (int)i;
                /* The floor bars this one; one that serves nobody may make the room that it waits for. */
                blocked = running ? ROLL_NONE : ROLL_FLOOR;
        }
        return blocked;
}
